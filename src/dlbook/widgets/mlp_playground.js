// A multilayer perceptron that learns in the page: the mathematics first (tested against NumPy),
// then the page. Points lie row by row in one typed array, x[2 * i] and x[2 * i + 1]; so do all
// parameters of a network: for each layer its weights, (inputs, outputs) row by row, then its biases.

// ---- Random numbers and data -----------------------------------------------------------------

const polar = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];

// One point of class `label`, before noise; the laws of dlbook.data, scaled to fill the plane.
const LAWS = {
  moons(label, { uniform }) {
    const [x, y] = polar(1 - 2 * label, Math.PI * uniform());
    return [1.5 * (x + label - 0.5), 1.5 * (y + label / 2 - 0.25)];
  },
  rings: (label, { uniform }) => polar(1 + label, 2 * Math.PI * uniform()),
  spirals(label, { uniform }) {
    const share = Math.sqrt(uniform()); // so that the points lie evenly along the arc
    return polar(2.5 * share, 3 * Math.PI * share + Math.PI * label);
  },
  xor(label, { uniform }) {
    const [x, y] = [2 * uniform(), 2 * uniform()];
    const side = uniform() < 0.5 ? 1 : -1;
    return [side * x, (label ? -side : side) * y];
  },
  blobs: (label, { normal }) => [0.5 * normal() + 2 * label - 1, 0.5 * normal() + 2 * label - 1],
};

// `n` points of both classes in turn; `noise` is the standard deviation added to each coordinate.
export function makeData(name, n, noise, seed) {
  const random = generator(seed);
  const x = new Float64Array(2 * n);
  const y = Uint8Array.from({ length: n }, (_, i) => i % 2);
  for (let i = 0; i < n; i++) {
    const point = LAWS[name](y[i], random);
    for (let j = 0; j < 2; j++) x[2 * i + j] = point[j] + noise * random.normal();
  }
  return { x, y };
}

// ---- The network -----------------------------------------------------------------------------

// The activation, its derivative as a function of its value, and the variance of the weights that
// start it, times the number of inputs.
const ACTIVATIONS = {
  tanh: { value: Math.tanh, slope: (h) => 1 - h * h, gain: 1 },
  relu: { value: (z) => (z > 0 ? z : 0), slope: (h) => (h > 0 ? 1 : 0), gain: 2 },
  sigmoid: { value: (z) => 1 / (1 + Math.exp(-z)), slope: (h) => h * (1 - h), gain: 16 },
  linear: { value: (z) => z, slope: () => 1, gain: 1 },
};

export function makeNetwork(sizes, activation, seed) {
  const { normal } = generator(seed ^ 0x9e3779b9); // not the stream that the data came from
  const parameters = [];
  for (let l = 1; l < sizes.length; l++) {
    const scale = Math.sqrt(ACTIVATIONS[activation].gain / sizes[l - 1]);
    for (let j = 0; j < sizes[l - 1] * sizes[l]; j++) parameters.push(scale * normal());
    for (let k = 0; k < sizes[l]; k++) parameters.push(0);
  }
  return { sizes, activation, parameters: Float64Array.from(parameters) };
}

// Values of all layers for `n` points: the points themselves, the hidden layers, the scores.
export function forward({ sizes, activation, parameters }, x, n) {
  const layers = [x];
  let at = 0;
  for (let l = 1; l < sizes.length; l++) {
    const [inputs, outputs, from] = [sizes[l - 1], sizes[l], layers[l - 1]];
    const h = l === sizes.length - 1 ? (z) => z : ACTIVATIONS[activation].value;
    const to = new Float64Array(n * outputs);
    const bias = at + inputs * outputs;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < outputs; k++) {
        let z = parameters[bias + k];
        for (let j = 0; j < inputs; j++) z += from[i * inputs + j] * parameters[at + j * outputs + k];
        to[i * outputs + k] = h(z);
      }
    }
    layers.push(to);
    at = bias + outputs;
  }
  return layers;
}

// Mean of the negative log-likelihood, log(1 + e^z) − yz, and share of points on the right side.
export function measure(scores, y) {
  let [loss, right] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    const z = scores[i];
    loss += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - y[i] * z;
    right += z > 0 === (y[i] === 1) ? 1 : 0;
  }
  return { loss: loss / y.length, accuracy: right / y.length };
}

// Loss, accuracy and the gradient, laid out like the parameters, by one pass there and one back.
export function lossAndGradient(network, { x, y }) {
  const { sizes, activation, parameters } = network;
  const { slope } = ACTIVATIONS[activation];
  const n = y.length;
  const layers = forward(network, x, n);
  const scores = layers.at(-1);
  const gradient = new Float64Array(parameters.length);
  let delta = scores.map((z, i) => (1 / (1 + Math.exp(-z)) - y[i]) / n);
  let end = parameters.length;
  for (let l = sizes.length - 1; l > 0; l--) {
    const [inputs, outputs, from] = [sizes[l - 1], sizes[l], layers[l - 1]];
    const bias = end - outputs;
    const at = bias - inputs * outputs;
    const before = new Float64Array(n * inputs);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < outputs; k++) {
        const d = delta[i * outputs + k];
        gradient[bias + k] += d;
        for (let j = 0; j < inputs; j++) {
          gradient[at + j * outputs + k] += from[i * inputs + j] * d;
          before[i * inputs + j] += parameters[at + j * outputs + k] * d;
        }
      }
    }
    if (l > 1) for (let i = 0; i < before.length; i++) before[i] *= slope(from[i]);
    delta = before;
    end = at;
  }
  return { ...measure(scores, y), gradient };
}

export function makeAdam(size) {
  return { t: 0, mean: new Float64Array(size), square: new Float64Array(size) };
}

// A step of Adam (Kingma and Ba, 2015) with the paper's constants, in place.
export function adam(state, parameters, gradient, rate) {
  state.t += 1;
  const [first, second] = [1 - 0.9 ** state.t, 1 - 0.999 ** state.t];
  for (let p = 0; p < parameters.length; p++) {
    state.mean[p] += 0.1 * (gradient[p] - state.mean[p]);
    state.square[p] += 0.001 * (gradient[p] ** 2 - state.square[p]);
    parameters[p] -= (rate * (state.mean[p] / first)) / (Math.sqrt(state.square[p] / second) + 1e-8);
  }
}

export const N_POINTS = 240;

// Everything that training needs, from the settings alone.
export function prepare({ data, noise, depth, width, activation, seed }) {
  const network = makeNetwork([2, ...Array(depth).fill(width), 1], activation, seed);
  return {
    train: makeData(data, N_POINTS, noise, 2 * seed),
    fresh: makeData(data, N_POINTS, noise, 2 * seed + 1),
    network,
    optimiser: makeAdam(network.parameters.length),
  };
}

// One step of training; loss and accuracy are those before it.
export function advance({ network, train, optimiser }, rate) {
  const { loss, accuracy, gradient } = lossAndGradient(network, train);
  adam(optimiser, network.parameters, gradient, rate);
  return { loss, accuracy };
}

export function assess({ network }, { x, y }) {
  return measure(forward(network, x, y.length).at(-1), y);
}

// ---- The page --------------------------------------------------------------------------------

const REACH = 3; // the plane shown is [-3, 3] x [-3, 3]
const GRID = 49; // values of every unit are taken at GRID x GRID points of it
const SIDE = 300;
const STEPS_A_FRAME = 2;
const MOST_STEPS = 4000;
const AT_ONCE = 500; // steps of a run where motion is not wanted
const RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const TITLES = {
  data: { moons: "Moons", rings: "Rings", spirals: "Spirals", xor: "XOR", blobs: "Blobs" },
  activation: { tanh: "tanh", relu: "ReLU", sigmoid: "Sigmoid", linear: "Linear (none)" },
};
const SETTINGS = ["data", "noise", "depth", "width", "activation", "learning_rate", "seed"];

const CENTRES = Float64Array.from({ length: 2 * GRID * GRID }, (_, i) => {
  const cell = i >> 1;
  const [row, column] = [Math.floor(cell / GRID), cell % GRID];
  return i % 2 ? place(GRID - 1 - row) : place(column);
});

function place(index) {
  return ((2 * index) / (GRID - 1) - 1) * REACH;
}

function canvas(size) {
  return html("canvas", { width: size, height: size, "aria-hidden": "true" });
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function labelled(title, control, output) {
  const name = html("span", {}, title, ...(output ? [" ", output] : [])); // no <output>: the label would be for that
  return { control, output, label: html("label", {}, name, control) };
}

function ranged(title, min, max, step) {
  return labelled(title, html("input", { type: "range", min, max, step }), html("span"));
}

function render({ model, el }) {
  const inputs = {
    data: labelled("Data", menu(Object.entries(TITLES.data))),
    activation: labelled("Activation", menu(Object.entries(TITLES.activation))),
    learning_rate: labelled("Learning rate", menu(RATES.map((rate) => [rate, String(rate)]))),
    depth: ranged("Hidden layers", 0, 4, 1),
    width: ranged("Units in each", 1, 12, 1),
    noise: ranged("Noise", 0, 0.6, 0.05),
    seed: labelled("Seed", html("input", { type: "number", min: 0, max: 9999, step: 1 })),
  };
  const [runButton, stepButton, resetButton] = [button("Run"), button("Step"), button("Reset")];
  const ground = canvas(GRID);
  const dots = svg("g");
  const boundary = svg("path", { class: "boundary" });
  const points = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" }, dots, boundary);
  const plane = html("div", { class: "dlbook-mlp-plane", role: "img" }, ground, points);
  const curve = svg("svg", { class: "dlbook-mlp-curve", viewBox: "0 0 300 150", role: "img" });
  const units = html("div", { class: "dlbook-mlp-units", role: "img" });
  const spoken = readout();
  const root = group("mlp", "Playground: a multilayer perceptron");
  root.append(
    html("div", { class: "dlbook-mlp-buttons" }, runButton, stepButton, resetButton),
    html("div", { class: "dlbook-mlp-controls" }, ...Object.values(inputs).map(({ label }) => label)),
    html("div", { class: "dlbook-mlp-panels" }, plane, html("div", { class: "dlbook-mlp-side" }, curve, units)),
    spoken,
  );
  el.append(root);

  let game = null; // what is trained
  let steps = 0;
  let history = []; // [loss, loss on new points] before each step and now
  let pictures = []; // by hidden layer, a canvas for each unit
  let frame = null;

  function restart() {
    stop();
    game = prepare(read(model, SETTINGS));
    steps = 0;
    history = [losses()];
    showControls();
    showPoints();
    makePictures();
    draw("");
  }

  function losses() {
    return [assess(game, game.train).loss, assess(game, game.fresh).loss];
  }

  function step() {
    advance(game, model.get("learning_rate"));
    steps += 1;
    history.push(losses());
  }

  function showControls() {
    for (const [name, { control, output }] of Object.entries(inputs)) {
      const value = String(model.get(name));
      if (control.value !== value) control.value = value;
      if (output) output.textContent = name === "noise" ? Number(value).toFixed(2) : value;
    }
  }

  function showPoints() {
    const { x, y } = game.train;
    const at = (value) => ((value / REACH + 1) * SIDE) / 2;
    dots.replaceChildren(...Array.from(y, (label, i) => {
      const [cx, cy] = [at(x[2 * i]), SIDE - at(x[2 * i + 1])];
      return label
        ? svg("path", { class: "one", d: `M${cx - 3.5} ${cy - 3.5}h7v7h-7z` })
        : svg("circle", { class: "zero", cx, cy, r: 3.5 });
    }));
  }

  function makePictures() {
    const hidden = game.network.sizes.slice(1, -1);
    pictures = hidden.map((width) => Array.from({ length: width }, () => canvas(GRID)));
    const caption = html("div", { "aria-hidden": "true" }, "hidden units, layer by layer");
    units.replaceChildren(caption, ...pictures.map((row, l) => {
      const title = html("span", { "aria-hidden": "true" }, String(l + 1));
      return html("div", { class: "dlbook-mlp-layer" }, title, ...row);
    }));
    const kind = TITLES.activation[model.get("activation")];
    units.setAttribute("aria-label", hidden.length
      ? `What each hidden unit computes over the plane: ${hidden.length} layers of ${hidden[0]} ${kind} units`
        .replace("1 layers", "1 layer")
      : "There is no hidden layer: the score is a linear function of the coordinates");
    units.hidden = !hidden.length;
  }

  function draw(prefix = null) {
    const layers = forward(game.network, CENTRES, GRID * GRID);
    const scores = layers.at(-1);
    shade(ground, scores.map((z) => 2 / (1 + Math.exp(-z)) - 1), 1, 130);
    boundary.setAttribute("d", pathOf(zeroLine(scores, GRID), (cell) => (cell * SIDE) / (GRID - 1)));
    pictures.forEach((row, l) => row.forEach((picture, k) => {
      const shift = model.get("activation") === "sigmoid" ? 0.5 : 0;
      const values = Float64Array.from({ length: GRID * GRID }, (_, i) => layers[l + 1][i * row.length + k] - shift);
      shade(picture, values, values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9), 200);
    }));
    drawCurve();
    say(prefix ?? (frame === null && steps ? "Paused. " : ""));
  }

  function drawCurve() {
    const [left, right, top, bottom] = [30, 296, 18, 128];
    const highest = Math.max(0.8, ...history.map((pair) => Math.min(Math.max(...pair), 2)));
    const last = Math.max(steps, 100);
    const px = (k) => left + ((right - left) * k) / last;
    const py = (loss) => bottom - ((bottom - top) * Math.min(loss, highest)) / highest;
    const every = Math.ceil(history.length / 300);
    const kept = history.map((pair, k) => [k, ...pair]).filter(([k]) => k % every === 0 || k === steps);
    const line = (name, j) => svg("polyline", {
      class: name,
      points: kept.map((row) => `${px(row[0]).toFixed(1)},${py(row[j]).toFixed(1)}`).join(" "),
    });
    curve.replaceChildren(
      svg("path", { class: "axes", d: `M${left} ${top}V${bottom}H${right}` }),
      svg("text", { x: 2, y: 11 }, "loss: training —, new points ┄"),
      svg("text", { x: left - 4, y: top + 8, "text-anchor": "end" }, highest.toFixed(1)),
      svg("text", { x: left - 4, y: bottom + 2, "text-anchor": "end" }, "0"),
      svg("text", { x: left, y: bottom + 16 }, "0"),
      svg("text", { x: right, y: bottom + 16, "text-anchor": "end" }, `step ${last}`),
      line("fresh", 2),
      line("train", 1),
    );
    const [first, now] = [history[0], history.at(-1)].map(([loss]) => loss.toFixed(3));
    curve.setAttribute("aria-label", `Loss over ${steps} steps, from ${first} to ${now}`);
  }

  function say(prefix) {
    const [train, fresh] = [assess(game, game.train), assess(game, game.fresh)];
    spoken.textContent =
      `${prefix}Step ${steps}: training loss ${train.loss.toFixed(3)}, ` +
      `accuracy ${percent(train.accuracy)} on the training points, ${percent(fresh.accuracy)} on new ones.`;
    plane.setAttribute("aria-label",
      `Training points of two classes, circles and squares, and the boundary of the network: ` +
      `${percent(train.accuracy)} of them are on the right side`);
  }

  function run() {
    if (steps >= MOST_STEPS) return draw("Long enough. ");
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      for (let k = 0; k < AT_ONCE && steps < MOST_STEPS; k++) step();
      return draw("");
    }
    runButton.textContent = "Pause";
    spoken.setAttribute("aria-live", "off"); // do not speak each frame
    const tick = () => {
      for (let k = 0; k < STEPS_A_FRAME && steps < MOST_STEPS; k++) step();
      frame = requestAnimationFrame(tick);
      if (steps >= MOST_STEPS) stop();
      draw();
    };
    frame = requestAnimationFrame(tick);
  }

  function stop() {
    if (frame !== null) cancelAnimationFrame(frame);
    frame = null;
    runButton.textContent = "Run";
    spoken.setAttribute("aria-live", "polite");
  }

  runButton.addEventListener("click", () => {
    if (frame === null) return run();
    stop();
    draw();
  });
  stepButton.addEventListener("click", () => {
    stop();
    step();
    draw("");
  });
  resetButton.addEventListener("click", restart);
  for (const [name, { control }] of Object.entries(inputs)) {
    control.addEventListener(control.type === "range" ? "input" : "change", () => {
      const text = ["data", "activation"].includes(name);
      const value = text ? control.value : Number(control.value);
      if (name === "seed" && !(Number.isInteger(value) && value >= 0 && value <= 9999)) return showControls();
      save(model, { [name]: value });
    });
  }

  const unlisten = listen(model, SETTINGS.map((name) => [name, name === "learning_rate" ? showControls : restart]));
  restart();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

// The adversarial game on a line: the mathematics first (tested against PyTorch), then the page.

export const REACH = 4; // the line from −REACH to REACH
export const CELLS = 160;
export const GAMMA = 2; // strength of the penalty, where it is on
export const BATCH = 64;
const UNITS = { G: 12, D: 24 };
const [BETA1, BETA2] = [0.5, 0.99];
const MODES = [-1.5, 1.5];
const SPREAD = 0.5;

export const GRID = Array.from({ length: CELLS + 1 }, (_, i) => REACH * ((2 * i) / CELLS - 1));

export function bell(x, mean, sigma) {
  return Math.exp(-(((x - mean) / sigma) ** 2) / 2) / (sigma * Math.sqrt(2 * Math.PI));
}

export function dataDensity(x) {
  return MODES.reduce((sum, mode) => sum + bell(x, mode, SPREAD) / MODES.length, 0);
}

// log(1 + eˣ) and 1 / (1 + e⁻ˣ), safe for any x
export function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export function sigmoid(x) {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

// A network from a number to a number, f(x) = Σ v tanh(w x + b) + c, as one list: w, b, v, c.
export function output(net, x) {
  const n = (net.length - 1) / 3;
  let sum = net[3 * n];
  for (let j = 0; j < n; j += 1) sum += net[2 * n + j] * Math.tanh(net[j] * x + net[n + j]);
  return sum;
}

export function slope(net, x) {
  const n = (net.length - 1) / 3;
  let sum = 0;
  for (let j = 0; j < n; j += 1) {
    const t = Math.tanh(net[j] * x + net[n + j]);
    sum += net[2 * n + j] * net[j] * (1 - t * t);
  }
  return sum;
}

// Adds to `gradient` the derivatives of a · f(x) + b · f′(x) with respect to the parameters.
export function accumulate(gradient, net, x, a, b = 0) {
  const n = (net.length - 1) / 3;
  for (let j = 0; j < n; j += 1) {
    const [w, v] = [net[j], net[2 * n + j]];
    const t = Math.tanh(w * x + net[n + j]);
    const u = 1 - t * t;
    const bend = a * v * u - 2 * b * v * w * t * u; // what reaches the unit's sum
    gradient[j] += bend * x + b * v * u;
    gradient[n + j] += bend;
    gradient[2 * n + j] += a * t + b * w * u;
  }
  gradient[3 * n] += a;
}

// Loss of the discriminator on two batches, minus the value plus the penalty, and its gradient.
export function discriminatorLoss(D, real, fakes, gamma) {
  const gradient = new Array(D.length).fill(0);
  let loss = 0;
  for (const x of real) {
    const [d, s] = [output(D, x), gamma ? slope(D, x) : 0];
    loss += (softplus(-d) + (gamma / 2) * s * s) / real.length;
    accumulate(gradient, D, x, -sigmoid(-d) / real.length, (gamma * s) / real.length);
  }
  for (const x of fakes) {
    const d = output(D, x);
    loss += softplus(d) / fakes.length;
    accumulate(gradient, D, x, sigmoid(d) / fakes.length);
  }
  return { loss, gradient };
}

// Loss of the generator on a batch of latent numbers, and its gradient by the chain rule.
export function generatorLoss(G, D, latent, saturating) {
  const gradient = new Array(G.length).fill(0);
  let loss = 0;
  for (const z of latent) {
    const x = output(G, z);
    const d = output(D, x);
    loss += (saturating ? -softplus(d) : softplus(-d)) / latent.length;
    const force = saturating ? -sigmoid(d) : -sigmoid(-d);
    accumulate(gradient, G, z, (force * slope(D, x)) / latent.length);
  }
  return { loss, gradient };
}

export function adam(state, net, gradient, rate) {
  state.k = (state.k ?? 0) + 1;
  state.m = gradient.map((g, j) => BETA1 * (state.m?.[j] ?? 0) + (1 - BETA1) * g);
  state.s = gradient.map((g, j) => BETA2 * (state.s?.[j] ?? 0) + (1 - BETA2) * g * g);
  const [first, second] = [1 - BETA1 ** state.k, 1 - BETA2 ** state.k];
  return net.map((t, j) => t - (rate * state.m[j]) / first / (Math.sqrt(state.s[j] / second) + 1e-8));
}

// Density of the generator's outcomes on the grid: 2,000 latent numbers of equal weight, smoothed.
const LATENT = (() => {
  const [n, fine] = [2000, 16000];
  const found = [];
  let mass = 0;
  for (let i = 0; i < fine && found.length < n; i += 1) {
    const z = -5 + (10 * (i + 0.5)) / fine;
    mass += (bell(z, 0, 1) * 10) / fine;
    while (found.length < n && mass >= (found.length + 0.5) / n) found.push(z);
  }
  return found;
})();

export function density(G, width = 0.1) {
  const dx = (2 * REACH) / CELLS;
  const counts = new Array(CELLS + 1).fill(0);
  for (const z of LATENT) {
    const cell = (output(G, z) + REACH) / dx; // shared between the two cells that it lies between
    const low = Math.floor(cell);
    if (low >= 0 && low <= CELLS) counts[low] += 1 - (cell - low);
    if (low + 1 >= 0 && low + 1 <= CELLS) counts[low + 1] += cell - low;
  }
  const far = Math.ceil((4 * width) / dx);
  return counts.map((_, i) => {
    let sum = 0;
    for (let j = Math.max(0, i - far); j <= Math.min(CELLS, i + far); j += 1) {
      if (counts[j]) sum += counts[j] * bell((i - j) * dx, 0, width);
    }
    return sum / LATENT.length;
  });
}

// 2 JS(p, q) − log 4 and the value that D reaches, both by sums over the grid.
export function values(D, p, q) {
  const dx = (2 * REACH) / CELLS;
  let [best, reached] = [0, 0];
  GRID.forEach((x, i) => {
    const d = output(D, x);
    reached -= (p[i] * softplus(-d) + q[i] * softplus(d)) * dx;
    if (p[i] > 0) best += p[i] * Math.log(p[i] / (p[i] + q[i])) * dx;
    if (q[i] > 0) best += q[i] * Math.log(q[i] / (p[i] + q[i])) * dx;
  });
  return { best, reached };
}

export function game(seed) {
  const { uniform, normal } = generator(seed);
  const draw = (n, scale) => Array.from({ length: n }, () => scale * normal());
  const made = {
    G: [...draw(2 * UNITS.G, 1), ...draw(UNITS.G, 0.25), 0],
    D: [...draw(2 * UNITS.D, 1.5), ...draw(UNITS.D, 0.2), 0],
    rounds: 0,
    force: 0, // length of the generator's last gradient
  };
  const [stateG, stateD] = [{}, {}];
  const real = () => MODES[Math.floor(uniform() * MODES.length)] + SPREAD * normal();
  made.step = ({ d_steps, rate_d, rate_g, saturating, penalty }) => {
    for (let k = 0; k < d_steps; k += 1) {
      const fakes = draw(BATCH, 1).map((z) => output(made.G, z));
      const batch = Array.from({ length: BATCH }, real);
      const { gradient } = discriminatorLoss(made.D, batch, fakes, penalty ? GAMMA : 0);
      made.D = adam(stateD, made.D, gradient, rate_d);
    }
    const { gradient } = generatorLoss(made.G, made.D, draw(BATCH, 1), saturating);
    made.G = adam(stateG, made.G, gradient, rate_g);
    made.force = Math.hypot(...gradient);
    made.rounds += 1;
  };
  return made;
}

const MOST_ROUNDS = 2000;
const PER_FRAME = 5;
const SEED = 1;
const LOG4 = Math.log(4);

// Axes with a legend of kinds of lines and their names, and a function that draws such lines.
function panel(label, titles, y, ticksY, entries) {
  const view = axes(label, titles, { size: [340, 210], left: 40, bottom: 38, role: "img" });
  const draw = (x, ticksX, lines) => {
    Object.assign(view, { x, y });
    view.drawTicks({ x: ticksX, y: ticksY });
    view.layer.replaceChildren(...lines.map(([kind, places]) => {
      const points = places.map(([a, b]) => `${view.px(a).toFixed(1)},${view.py(b).toFixed(1)}`).join(" ");
      return svg("polyline", { class: `line ${kind}`, points });
    }));
  };
  const legend = html("ul", { class: "legend", "aria-hidden": "true" }, ...entries.map(([kind, name]) =>
    html("li", {},
      svg("svg", { viewBox: "0 -5 34 10" }, svg("path", { class: `line ${kind}`, d: "M0 0H34" })),
      html("span", {}, name))));
  return { draw, node: html("div", {}, view.root, legend) };
}

function render({ model, el }) {
  const densities = panel("Densities of the data and of the generator", { x: "outcome x", y: "density" },
    [0, 1.3], [0, 0.5, 1], [["data", "data p"], ["fake", "generator q"]]);
  const opinions = panel("Discriminator and the best discriminator", { x: "outcome x", y: "D(x)" },
    [0, 1], [0, 0.5, 1], [["expert", "discriminator D"], ["best", "p/(p + q)"]]);
  const history = panel("Value of the game against rounds", { x: "round", y: "value" },
    [-1.6, 0.1], [-1.5, -1, -0.5, 0], [["expert", "reached by D"], ["best", "2 JS − log 4"], ["level", "solution, −log 4"]]);
  const [stepButton, runButton, resetButton] = [button("Step"), button("Run"), button("Reset")];
  const choice = menu([["other", "non-saturating"], ["saturating", "saturating"]]);
  const box = html("input", { type: "checkbox" });
  const rate = (name) => ({
    get: () => Math.log10(model.get(name)),
    set: (power) => save(model, { [name]: Number((10 ** power).toPrecision(2)) }),
    say: () => String(Number(model.get(name).toPrecision(2))),
  });
  const sliders = [
    slider("Discriminator’s steps per round", { min: 1, max: 20, step: 1 }, {
      get: () => model.get("d_steps"),
      set: (d_steps) => save(model, { d_steps }),
      say: () => String(model.get("d_steps")),
    }),
    slider("Discriminator’s learning rate", { min: -3, max: -1, step: 0.1 }, rate("rate_d")),
    slider("Generator’s learning rate", { min: -3, max: -1, step: 0.1 }, rate("rate_g")),
  ];
  const spoken = readout();
  const root = group("game", "Adversarial game on a line");
  root.append(
    html("div", { class: "panels" }, densities.node, opinions.node, history.node),
    html("div", { class: "controls" }, stepButton, runButton, resetButton,
      html("label", {}, "Generator’s loss", choice),
      html("label", { class: "check" }, box, html("span", {}, `Slope penalty, γ = ${GAMMA}`))),
    html("div", { class: "controls" }, ...sliders.map(({ label }) => label)),
    spoken,
  );
  el.append(root);

  const p = GRID.map(dataDensity);
  let played;
  let trail = []; // [round, value reached, best value]
  const names = ["d_steps", "rate_d", "rate_g", "saturating", "penalty"];

  function restart() {
    stop();
    played = game(SEED);
    trail = [];
    draw();
  }

  function advance(n) {
    for (let i = 0; i < n && !finished(); i += 1) played.step(read(model, names));
  }

  function finished() {
    return played.rounds >= MOST_ROUNDS;
  }

  function record(q = density(played.G)) {
    if (trail.at(-1)?.[0] !== played.rounds) {
      const { best, reached } = values(played.D, p, q);
      trail.push([played.rounds, reached, best]);
    }
    return trail.at(-1);
  }

  function draw() {
    showControls();
    const q = density(played.G);
    const [, reached, best] = record(q);
    const over = (heights) => GRID.map((x, i) => [x, heights[i]]);
    const [line, ticks] = [[-REACH, REACH], [-4, -2, 0, 2, 4]];
    densities.draw(line, ticks, [["data", over(p)], ["fake", over(q.map((height) => Math.min(height, 5)))]]);
    // where p and q are both next to nothing, the best answer is anything: leave a gap
    const known = [[]];
    GRID.forEach((x, i) => {
      if (p[i] + q[i] > 1e-3) known.at(-1).push([x, p[i] / (p[i] + q[i])]);
      else if (known.at(-1).length) known.push([]);
    });
    opinions.draw(line, ticks, [
      ["level", [[-REACH, 0.5], [REACH, 0.5]]],
      ...known.map((places) => ["best", places]),
      ["expert", GRID.map((x) => [x, sigmoid(output(played.D, x))])],
    ]);
    const end = Math.max(200, 200 * Math.ceil(played.rounds / 200));
    const inside = (value) => Math.max(value, -1.6);
    history.draw([0, end], [0, end / 2, end], [
      ["level", [[0, -LOG4], [end, -LOG4]]],
      ["best", trail.map(([round, , high]) => [round, high])],
      ["expert", trail.map(([round, value]) => [round, inside(value)])],
    ]);
    say(reached, best);
  }

  function say(reached, best) {
    const distance = Math.max(0, (best + LOG4) / 2);
    const force = played.rounds ? ` Last gradient of the generator: length ${played.force.toPrecision(2)}.` : "";
    spoken.textContent = `Round ${played.rounds}: value ${signed(reached.toFixed(3))}, at best ${signed(best.toFixed(3))}; `
      + `Jensen–Shannon divergence of p and q ${distance.toFixed(3)}.${force}`;
  }

  function showControls() {
    choice.value = model.get("saturating") ? "saturating" : "other";
    box.checked = model.get("penalty");
    for (const { show } of sliders) show();
  }

  const stop = runner(runButton, spoken, {
    interval: 60,
    atOnce: 40,
    begin: () => finished() && restart(),
    step() {
      advance(PER_FRAME);
      record();
    },
    finished,
    draw,
  });
  stepButton.addEventListener("click", () => {
    stop();
    advance(1);
    draw();
  });
  resetButton.addEventListener("click", restart);
  choice.addEventListener("change", () => save(model, { saturating: choice.value === "saturating" }));
  box.addEventListener("change", () => save(model, { penalty: box.checked }));

  const unlisten = listen(model, names.map((name) => [name, showControls]));
  restart();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

// The error surface of one recurrent unit: the mathematics first (tested against PyTorch), then the page.

export const STEPS = 50; // of the recurrence
export const MAP = { w: [1, 8], b: [-6, 1] };
export const WALL = [4.2553, 8]; // the weights between which the wall stands

// In terms of tanh, which does not overflow.
export function sigmoid(z) {
  return (1 + Math.tanh(z / 2)) / 2;
}

// (h(50) − 0.7)² for h(t) = w σ(h(t − 1)) + b with h(0) = 0.5, and its gradient, by forward mode.
export function errorAndGradient([w, b]) {
  let [h, hw, hb] = [0.5, 0, 0];
  for (let t = 0; t < STEPS; t += 1) {
    const s = sigmoid(h);
    const factor = w * s * (1 - s);
    [h, hw, hb] = [w * s + b, s + factor * hw, 1 + factor * hb];
  }
  const residual = h - 0.7;
  return { error: residual * residual, gradient: [2 * residual * hw, 2 * residual * hb] };
}

// The bias at which the start h(0) is a fixed point.
export function wall(w) {
  return 0.5 - w * sigmoid(0.5);
}

// The gradient, shortened to the threshold where it is longer.
export function clip(gradient, threshold) {
  const norm = Math.hypot(...gradient);
  return gradient.map((g) => g * (threshold / Math.max(norm, threshold)));
}

// A walker: its path, errors and gradient norms, and a function that takes it one step on.
export function walker(clips, start) {
  const made = { clips, path: [], errors: [], norms: [], left: false };
  let gradient;
  const arrive = (theta) => {
    const here = errorAndGradient(theta);
    gradient = here.gradient;
    made.path.push(theta);
    made.errors.push(here.error);
    made.norms.push(Math.hypot(...gradient));
    made.left = theta.some((value, j) => {
      const [low, high] = j ? MAP.b : MAP.w;
      return value < low || value > high;
    });
  };
  made.step = ({ rate, threshold }) => {
    if (made.left) return;
    const g = clips ? clip(gradient, threshold) : gradient;
    arrive(made.path.at(-1).map((value, j) => value - rate * g[j]));
  };
  arrive(start);
  return made;
}

// Shades of the map: for each of n levels of the logarithm of the error the cells that have it, as
// runs [i, j, length] along the rows of a grid of `cells` cells a side.
export function shades(cells, n, [low, high]) {
  const runs = Array.from({ length: n }, () => []);
  const at = (k, [from, to]) => from + ((k + 0.5) / cells) * (to - from);
  for (let j = 0; j < cells; j += 1) {
    let last = -1;
    for (let i = 0; i < cells; i += 1) {
      const power = Math.log10(errorAndGradient([at(i, MAP.w), at(j, MAP.b)]).error + 1e-300);
      const level = within(Math.floor(((power - low) / (high - low)) * n), 0, n - 1);
      if (level === last) runs[level].at(-1)[2] += 1;
      else runs[level].push([i, j, 1]);
      last = level;
    }
  }
  return runs;
}

const WALKERS = {
  plain: { title: "Plain", marker: "M-3.6-3.6h7.2v7.2h-7.2z" },
  clipped: { title: "Clipped", marker: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z" },
};
const MOST_STEPS = 1500;
const STRIDE = 5; // steps between two pictures while it runs
const CELLS = 84;
const SHADES = 8;
const RANGE = [-3, 2]; // powers of ten of the error that the shades tell apart
const ERRORS = [-8, 2]; // and those on the axis of errors

function render({ model, el }) {
  const map = axes("Map of the error, darker where it is larger, with the wall as a dashed line",
    { x: "weight w", y: "bias b" }, { right: 16 });
  const chart = axes("Error against steps of descent", { x: "step", y: "error" }, { right: 16 });
  const [stepButton, runButton, resetButton] = [button("Step"), button("Run"), button("Reset")];
  const sliderOf = (title, name, [min, max]) => slider(title, { min, max, step: 0.1 }, {
    get: () => Math.log10(model.get(name)),
    set: (power) => save(model, { [name]: Number((10 ** power).toPrecision(2)) }),
    say: () => scientific(model.get(name)),
  });
  const sliders = [
    sliderOf("Learning rate", "rate", [-4, -1]),
    sliderOf("Threshold of the norm", "threshold", [-1, 4]),
  ];
  const head = ["descent", "error", "gradient", "w", "b"].map((name) => html("th", { scope: "col" }, name));
  head[2].setAttribute("aria-label", "norm of the gradient");
  const cells = Object.fromEntries(Object.keys(WALKERS).map((name) => [name, [0, 1, 2, 3].map(() => html("td"))]));
  const rows = Object.entries(WALKERS).map(([name, { title, marker }]) =>
    html("tr", {}, html("th", { scope: "row" }, sampleOfLine(name, marker), html("span", {}, title)), ...cells[name]));
  const spoken = readout();
  const root = group("wall", "Descent on the error surface of a recurrent unit");
  root.append(
    html("div", { class: "plots" }, map.root, chart.root),
    html("div", { class: "controls" }, stepButton, runButton, resetButton),
    html("div", { class: "controls" }, ...sliders.map(({ label }) => label)),
    html("table", { class: "lines" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...rows)),
    spoken,
  );
  el.append(root);

  let walkers = {};
  const [ground, lines] = [svg("g"), svg("g")];
  map.layer.append(ground, lines);

  // The ground never changes: it is drawn once.
  function survey() {
    map.x = MAP.w;
    map.y = MAP.b;
    map.drawTicks();
    const [dx, dy] = [map.width / CELLS, map.height / CELLS];
    shades(CELLS, SHADES, RANGE).forEach((runs, level) => {
      // absolute places, so that neighbours share their edges to the digit
      const [x, y] = [(i) => (i * dx).toFixed(2), (j) => (map.height - j * dy).toFixed(2)];
      const d = runs.map(([i, j, length]) => `M${x(i)} ${y(j)}H${x(i + length)}V${y(j + 1)}H${x(i)}z`);
      ground.append(svg("path", { class: "shade", d: d.join(""), "fill-opacity": (0.5 * level / (SHADES - 1)).toFixed(3) }));
    });
    const [from, to] = WALL;
    ground.append(svg("path", {
      class: "cliff", d: `M${map.px(from)} ${map.py(wall(from))}L${map.px(to)} ${map.py(wall(to))}`,
    }));
  }

  function restart() {
    stop();
    const begin = model.get("start");
    walkers = { plain: walker(false, begin), clipped: walker(true, begin) };
    draw();
  }

  function draw() {
    for (const { show } of sliders) show();
    lines.replaceChildren();
    chart.x = [0, Math.max(50, steps())];
    chart.y = ERRORS;
    chart.drawTicks({ y: multiples(ERRORS, 2), nameY: powerOfTen });
    chart.layer.replaceChildren();
    for (const [name, { path, errors }] of Object.entries(walkers)) {
      const { marker } = WALKERS[name];
      lines.append(markedLine(name, path.map(([x, y]) => [map.px(x), map.py(y)]), marker));
      const height = (error) => chart.py(within(Math.log10(Math.max(error, 1e-300)), ...ERRORS));
      chart.layer.append(markedLine(name, errors.map((error, k) => [chart.px(k), height(error)]), marker));
    }
    start.draw();
    say();
  }

  function steps() {
    return Math.max(...Object.values(walkers).map(({ path }) => path.length)) - 1;
  }

  function say() {
    const parts = Object.entries(walkers).map(([name, { path, errors, norms, left }]) => {
      const [w, b] = path.at(-1);
      const values = [errors.at(-1), norms.at(-1), w, b].map(scientific);
      cells[name].forEach((cell, j) => { cell.textContent = values[j]; });
      const title = WALKERS[name].title;
      if (left) return `${title}: left the map in step ${path.length - 1}, after a gradient of norm ${scientific(norms.at(-2) ?? norms[0])}.`;
      return `${title}: error ${values[0]}, gradient norm ${values[1]}.`;
    });
    spoken.textContent = `Step ${steps()}. ${parts.join(" ")}`;
  }

  function step() {
    const how = read(model, ["rate", "threshold"]);
    for (const each of Object.values(walkers)) each.step(how);
  }

  function finished() {
    return steps() >= MOST_STEPS || Object.values(walkers).every(({ left }) => left);
  }

  const begin = () => finished() && restart();
  const stop = runner(runButton, spoken, { interval: 60, stride: STRIDE, begin, step, finished, draw });
  stepButton.addEventListener("click", () => {
    stop();
    if (!finished()) step();
    draw();
  });
  resetButton.addEventListener("click", restart);

  const start = movablePoint(map, "Start of the descent", {
    grain: () => 0.05,
    get: () => model.get("start"),
    set: (theta) => save(model, { start: theta }),
    say: ([w, b]) => `w ${w}, b ${b}`,
  });

  const unlisten = listen(model, [["start", restart], ["rate", draw], ["threshold", draw]]);
  survey();
  restart();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

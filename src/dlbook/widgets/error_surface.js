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
      const level = Math.min(Math.max(Math.floor(((power - low) / (high - low)) * n), 0), n - 1);
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
const WIDTH = 340;
const HEIGHT = 300;
const MARGIN = { left: 46, right: 16, top: 24, bottom: 40 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
const MOST_STEPS = 1500;
const STRIDE = 5; // steps between two pictures while it runs
const CELLS = 84;
const SHADES = 8;
const RANGE = [-3, 2]; // powers of ten of the error that the shades tell apart
const ERRORS = [-8, 2]; // and those on the axis of errors

function svg(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function html(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function signed(text) {
  return String(text).replace("-", "−");
}

function short(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e4 || size < 1e-3) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits} × 10${superscript(Number(power))}`;
  }
  return signed(value.toFixed(size < 1 ? 3 : size < 100 ? 2 : 0));
}

function clamp(pixels) {
  return Math.min(Math.max(pixels, -1e4), 1e4);
}

function tickStep(span) {
  const power = 10 ** Math.floor(Math.log10(span / 4));
  return power * [1, 2, 5, 10].find((factor) => span / (factor * power) <= 6);
}

function axes(label, titles) {
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label });
  const ticks = svg("g", { "aria-hidden": "true" });
  const layer = svg("svg", {
    x: MARGIN.left, y: MARGIN.top, width: INNER.width, height: INNER.height, "aria-hidden": "true",
  });
  const handles = svg("g");
  root.append(ticks, layer, handles);
  const view = { root, layer, handles, x: [0, 1], y: [0, 1] };
  view.px = (value) => clamp(((value - view.x[0]) / (view.x[1] - view.x[0])) * INNER.width);
  view.py = (value) => clamp(((view.y[1] - value) / (view.y[1] - view.y[0])) * INNER.height);
  view.drawTicks = (nameY = signed, each = tickStep(view.y[1] - view.y[0])) => {
    const bottom = HEIGHT - MARGIN.bottom;
    ticks.replaceChildren(
      svg("rect", { class: "border", x: MARGIN.left, y: MARGIN.top, width: INNER.width, height: INNER.height }),
      svg("text", { x: MARGIN.left + INNER.width / 2, y: HEIGHT - 6, "text-anchor": "middle" }, titles.x),
      svg("text", { x: 4, y: 14 }, titles.y),
    );
    for (const value of multiples(view.x, tickStep(view.x[1] - view.x[0]))) {
      ticks.append(svg("text", { x: MARGIN.left + view.px(value), y: bottom + 16, "text-anchor": "middle" }, signed(value)));
    }
    for (const value of multiples(view.y, each)) {
      ticks.append(svg("text", { x: MARGIN.left - 6, y: MARGIN.top + view.py(value) + 4, "text-anchor": "end" }, nameY(value)));
    }
  };
  return view;
}

function multiples([low, high], step) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

function swatch(name) {
  const sample = svg("svg", { class: name, viewBox: "-17 -8 34 16", "aria-hidden": "true" });
  sample.append(svg("path", { class: "path", d: "M-17 0H17" }), svg("path", { class: "marker", d: WALKERS[name].marker }));
  return sample;
}

function render({ model, el }) {
  const root = html("div", { class: "dlbook-wall", role: "group", "aria-label": "Descent on the error surface of a recurrent unit" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const panels = html("div", { class: "dlbook-wall-panels" });
  const map = axes("Map of the error, darker where it is larger, with the wall as a dashed line", { x: "weight w", y: "bias b" });
  const chart = axes("Error against steps of descent", { x: "step", y: "error" });
  panels.append(map.root, chart.root);

  const controls = html("div", { class: "dlbook-wall-controls" });
  const stepButton = html("button", { type: "button" }, "Step");
  const runButton = html("button", { type: "button" }, "Run");
  const resetButton = html("button", { type: "button" }, "Reset");
  controls.append(stepButton, runButton, resetButton);
  const sliders = html("div", { class: "dlbook-wall-controls" });
  const sliderOf = (name, trait, [min, max]) => slider(name, { min, max, step: 0.1 }, {
    get: () => Math.log10(model.get(trait)),
    set: (power) => save({ [trait]: Number((10 ** power).toPrecision(2)) }),
    say: () => short(model.get(trait)),
  });
  const settings = [
    sliderOf("Learning rate", "rate", [-4, -1]),
    sliderOf("Threshold of the norm", "threshold", [-1, 4]),
  ];
  const table = html("table");
  const header = html("tr");
  for (const name of ["descent", "error", "gradient", "w", "b"]) header.append(html("th", { scope: "col" }, name));
  header.children[2].setAttribute("aria-label", "norm of the gradient");
  const head = html("thead");
  head.append(header);
  const body = html("tbody");
  table.append(head, body);
  const rows = Object.fromEntries(Object.keys(WALKERS).map((name) => [name, row(name)]));
  const readout = html("p", { class: "dlbook-wall-readout", "aria-live": "polite" });
  root.append(panels, controls, sliders, table, readout);
  el.append(root);

  let walkers = {};
  let timer = null;
  const [ground, lines] = [svg("g"), svg("g")];
  map.layer.append(ground, lines);

  function row(name) {
    const title = html("th", { scope: "row" });
    title.append(swatch(name), html("span", {}, WALKERS[name].title));
    const cells = [0, 1, 2, 3].map(() => html("td"));
    const made = html("tr");
    made.append(title, ...cells);
    body.append(made);
    return cells;
  }

  function slider(name, range, value) {
    const label = html("label", {}, name);
    const input = html("input", { type: "range", ...range });
    const text = html("span");
    label.append(input, text);
    sliders.append(label);
    input.addEventListener("input", () => value.set(Number(input.value)));
    return () => {
      input.value = value.get();
      text.textContent = value.say();
      input.setAttribute("aria-valuetext", value.say());
    };
  }

  function save(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  // The ground never changes: it is drawn once.
  function survey() {
    map.x = MAP.w;
    map.y = MAP.b;
    map.drawTicks();
    const [dx, dy] = [INNER.width / CELLS, INNER.height / CELLS];
    shades(CELLS, SHADES, RANGE).forEach((runs, level) => {
      // absolute places, so that neighbours share their edges to the digit
      const [x, y] = [(i) => (i * dx).toFixed(2), (j) => (INNER.height - j * dy).toFixed(2)];
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
    for (const show of settings) show();
    lines.replaceChildren();
    chart.x = [0, Math.max(50, steps())];
    chart.y = ERRORS;
    chart.drawTicks((power) => (power ? `10${superscript(power)}` : "1"), 2);
    chart.layer.replaceChildren();
    for (const [name, { path, errors }] of Object.entries(walkers)) {
      drawLine(map, lines, name, path.map(([x, y]) => [map.px(x), map.py(y)]));
      const height = (error) => chart.py(Math.min(Math.max(Math.log10(Math.max(error, 1e-300)), ERRORS[0]), ERRORS[1]));
      drawLine(chart, chart.layer, name, errors.map((error, k) => [chart.px(k), height(error)]));
    }
    start.draw();
    say();
  }

  function drawLine(view, layer, name, dots) {
    const group = svg("g", { class: name });
    group.append(svg("polyline", { class: "path", points: dots.map((dot) => dot.map((p) => p.toFixed(1))).join(" ") }));
    const every = Math.max(10, 10 * Math.ceil(dots.length / 100));
    dots.forEach(([x, y], k) => {
      if (k !== dots.length - 1 && (k === 0 || k % every)) return;
      group.append(svg("path", { class: "marker", d: WALKERS[name].marker, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }));
    });
    layer.append(group);
  }

  function steps() {
    return Math.max(...Object.values(walkers).map(({ path }) => path.length)) - 1;
  }

  function say() {
    const parts = Object.entries(walkers).map(([name, { path, errors, norms, left }]) => {
      const [w, b] = path.at(-1);
      const values = [errors.at(-1), norms.at(-1), w, b].map(short);
      rows[name].forEach((cell, j) => { cell.textContent = values[j]; });
      const title = WALKERS[name].title;
      if (left) return `${title}: left the map in step ${path.length - 1}, after a gradient of norm ${short(norms.at(-2) ?? norms[0])}.`;
      return `${title}: error ${values[0]}, gradient norm ${values[1]}.`;
    });
    readout.textContent = `Step ${steps()}. ${parts.join(" ")}`;
  }

  function step() {
    const how = { rate: model.get("rate"), threshold: model.get("threshold") };
    for (const each of Object.values(walkers)) each.step(how);
  }

  function finished() {
    return steps() >= MOST_STEPS || Object.values(walkers).every(({ left }) => left);
  }

  function run() {
    if (finished()) restart();
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      while (!finished()) step();
      return draw();
    }
    runButton.textContent = "Pause";
    readout.setAttribute("aria-live", "off"); // do not speak each step
    timer = setInterval(() => {
      for (let k = 0; k < STRIDE && !finished(); k += 1) step();
      if (finished()) stop();
      draw();
    }, 60);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    runButton.textContent = "Run";
    readout.setAttribute("aria-live", "polite");
  }

  stepButton.addEventListener("click", () => {
    stop();
    if (!finished()) step();
    draw();
  });
  runButton.addEventListener("click", () => {
    if (timer === null) return run();
    stop();
    draw();
  });
  resetButton.addEventListener("click", restart);

  // The start moves by pointer and by arrow keys (with Shift: five times as far).
  const start = (() => {
    const node = svg("g", { class: "handle", role: "slider", tabindex: 0, "aria-label": "Start of the descent", "aria-roledescription": "movable point" });
    const dot = [svg("circle", { class: "reach", r: 14 }), svg("circle", { class: "dot", r: 6 })];
    node.append(...dot);
    map.handles.append(node);
    const grain = 0.05;
    const settle = (pair) => pair.map((number, j) => {
      const [low, high] = j ? map.y : map.x;
      const inside = Math.min(Math.max(number, low), high);
      return Number(Math.min(Math.max(Math.round(inside / grain) * grain, low), high).toPrecision(6));
    });
    const place = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.root.getScreenCTM().inverse());
      return [
        map.x[0] + ((at.x - MARGIN.left) / INNER.width) * (map.x[1] - map.x[0]),
        map.y[1] - ((at.y - MARGIN.top) / INNER.height) * (map.y[1] - map.y[0]),
      ];
    };
    node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      node.focus();
      node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointermove", (event) => {
      if (node.hasPointerCapture(event.pointerId)) save({ start: settle(place(event)) });
    });
    node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation(); // notebooks move between cells by arrow keys
      const far = grain * (event.shiftKey ? 5 : 1);
      save({ start: settle(model.get("start").map((number, j) => number + by[j] * far)) });
    });
    return {
      draw() {
        const [x, y] = model.get("start");
        for (const circle of dot) {
          circle.setAttribute("cx", MARGIN.left + map.px(x));
          circle.setAttribute("cy", MARGIN.top + map.py(y));
        }
        node.setAttribute("aria-valuenow", y);
        node.setAttribute("aria-valuetext", `w ${signed(x)}, b ${signed(y)}`);
      },
    };
  })();

  const listeners = { start: restart, rate: draw, threshold: draw };
  for (const [name, listener] of Object.entries(listeners)) model.on(`change:${name}`, listener);
  survey();
  restart();
  return () => {
    stop();
    for (const [name, listener] of Object.entries(listeners)) model.off(`change:${name}`, listener);
  };
}

function superscript(power) {
  return [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
}

export default { render };

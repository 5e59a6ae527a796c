// A race of optimisers: the mathematics first (tested against NumPy), then the page.

export const LANDSCAPES = {
  ravine: {
    title: "Ravine", start: [-4, 1], reach: 5,
    loss: ([a, b]) => (a * a + 30 * b * b) / 2,
    gradient: ([a, b]) => [a, 30 * b],
  },
  saddle: {
    title: "Saddle", start: [-2, 0.001], reach: 2.6,
    loss: ([a, b]) => (a * a) / 2 + (b ** 4 / 4 - (b * b) / 2 + 0.25) / 5,
    gradient: ([a, b]) => [a, (b ** 3 - b) / 5],
  },
  bumpy: {
    title: "Bumpy bowl", start: [4.6, 3.9], reach: 6.2,
    loss: (theta) => theta.reduce((sum, t) => sum + (t * t) / 20 + (1 - Math.cos(2 * t)) / 8, 0),
    gradient: (theta) => theta.map((t) => t / 10 + Math.sin(2 * t) / 4),
  },
};

// A rule takes theta, the gradient, a state of its own and its rate, and returns the next theta.
export const RULES = {
  descent: {
    title: "Gradient descent", rate: 0.05,
    next: (theta, g, state, rate) => theta.map((t, j) => t - rate * g[j]),
  },
  momentum: {
    title: "Momentum", rate: 0.03,
    next(theta, g, state, rate, mu) {
      state.v = g.map((gj, j) => mu * (state.v?.[j] ?? 0) + gj);
      return theta.map((t, j) => t - rate * state.v[j]);
    },
  },
  rmsprop: {
    title: "RMSProp", rate: 0.05,
    next(theta, g, state, rate) {
      state.s = g.map((gj, j) => 0.9 * (state.s?.[j] ?? 0) + 0.1 * gj * gj);
      return theta.map((t, j) => t - (rate * g[j]) / (Math.sqrt(state.s[j]) + 1e-8));
    },
  },
  adam: {
    title: "Adam", rate: 0.2,
    next(theta, g, state, rate, mu) {
      state.kept = mu * (state.kept ?? 1); // the product of all the mu so far: mu may change
      state.k = (state.k ?? 0) + 1;
      state.m = g.map((gj, j) => mu * (state.m?.[j] ?? 0) + (1 - mu) * gj);
      state.s = g.map((gj, j) => 0.999 * (state.s?.[j] ?? 0) + 0.001 * gj * gj);
      const [first, second] = [1 - state.kept, 1 - 0.999 ** state.k];
      return theta.map((t, j) => t - (rate * state.m[j]) / first / (Math.sqrt(state.s[j] / second) + 1e-8));
    },
  },
  normalised: {
    title: "Normalised", rate: 0.1,
    next(theta, g, state, rate) {
      const length = Math.hypot(...g) + 1e-12;
      return theta.map((t, j) => t - (rate * g[j]) / length);
    },
  },
};

// Standard normal numbers from a seed: mulberry32, then Box and Muller.
export function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

// A walker: its path, whether it is still within bounds, and a function that takes it one step on.
export function walker(rule, landscape, start, seed) {
  const { next, rate } = RULES[rule];
  const { gradient, loss } = LANDSCAPES[landscape];
  const normal = normals(seed);
  const state = {};
  const made = { rule, path: [start], losses: [loss(start)], lost: false };
  made.step = ({ multiple, mu, noise }) => {
    if (made.lost) return;
    const g = gradient(made.path.at(-1)).map((gj) => gj + (noise ? noise * normal() : 0));
    const theta = next(made.path.at(-1), g, state, multiple * rate, mu);
    made.lost = !theta.every((t) => Math.abs(t) < 1e4);
    if (made.lost) return;
    made.path.push(theta);
    made.losses.push(loss(theta));
  };
  return made;
}

// Line segments [x1, y1, x2, y2] of the set f = level, by marching triangles on a grid of n cells.
export function contour(values, n, level) {
  const segments = [];
  const cut = ([i, j], [k, l]) => {
    const [a, b] = [values[j][i] - level, values[l][k] - level];
    if (a < 0 === b < 0) return null;
    const part = a / (a - b);
    return [i + part * (k - i), j + part * (l - j)];
  };
  for (let j = 0; j < n; j += 1) {
    for (let i = 0; i < n; i += 1) {
      for (const far of [[i + 1, j], [i, j + 1]]) {
        const corners = [[i, j], far, [i + 1, j + 1]];
        const cuts = corners.map((corner, c) => cut(corner, corners[(c + 1) % 3])).filter(Boolean);
        if (cuts.length === 2) segments.push([...cuts[0], ...cuts[1]]);
      }
    }
  }
  return segments;
}

const WIDTH = 340;
const HEIGHT = 300;
const MARGIN = { left: 46, right: 8, top: 24, bottom: 40 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
const MOST_STEPS = 300;
const CELLS = 72;
const LOSSES = [-8, 2]; // powers of ten on the axis of losses
// for each rule a path around (0, 0), besides its colour and its dashes
const MARKERS = {
  descent: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
  momentum: "M-3.6-3.6h7.2v7.2h-7.2z",
  rmsprop: "M0-5L4.6 3.4H-4.6z",
  adam: "M0-5.2L4.4 0L0 5.2L-4.4 0z",
  normalised: "M-4-4L4 4M4-4L-4 4",
};

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

function swatch(rule) {
  const sample = svg("svg", { class: rule, viewBox: "-17 -8 34 16", "aria-hidden": "true" });
  sample.append(svg("path", { class: "path", d: "M-17 0H17" }), svg("path", { class: "marker", d: MARKERS[rule] }));
  return sample;
}

function render({ model, el }) {
  const root = html("div", { class: "dlbook-race", role: "group", "aria-label": "Race of optimisers" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const panels = html("div", { class: "dlbook-race-panels" });
  const map = axes("Map of the loss", { x: "θ₁", y: "θ₂" });
  const chart = axes("Loss against steps", { x: "step", y: "loss" });
  panels.append(map.root, chart.root);

  const controls = html("div", { class: "dlbook-race-controls" });
  const stepButton = html("button", { type: "button" }, "Step");
  const runButton = html("button", { type: "button" }, "Run");
  const resetButton = html("button", { type: "button" }, "Reset");
  const choice = html("select");
  for (const [name, { title }] of Object.entries(LANDSCAPES)) choice.append(html("option", { value: name }, title));
  const chooser = html("label", {}, "Landscape");
  chooser.append(choice);
  controls.append(stepButton, runButton, resetButton, chooser);
  const sliders = html("div", { class: "dlbook-race-controls" });
  const rate = slider("Learning rate", { min: -1, max: 1, step: 0.05 }, {
    get: () => Math.log10(model.get("multiple")),
    set: (power) => save({ multiple: Number((10 ** power).toPrecision(3)) }),
    say: () => `${Number(model.get("multiple").toPrecision(3))} × default`,
  });
  const friction = slider("Momentum μ", { min: 0, max: 0.99, step: 0.01 }, {
    get: () => model.get("mu"),
    set: (mu) => save({ mu }),
    say: () => model.get("mu").toFixed(2),
  });
  const shaking = slider("Noise", { min: 0, max: 3, step: 0.05 }, {
    get: () => model.get("noise"),
    set: (noise) => save({ noise }),
    say: () => model.get("noise").toFixed(2),
  });
  const table = html("table");
  const header = html("tr");
  for (const name of ["rule", "rate", "loss"]) header.append(html("th", { scope: "col" }, name));
  const head = html("thead");
  head.append(header);
  const body = html("tbody");
  table.append(head, body);
  const rows = Object.fromEntries(Object.keys(RULES).map((rule) => [rule, row(rule)]));
  const readout = html("p", { class: "dlbook-race-readout", "aria-live": "polite" });
  root.append(panels, controls, sliders, table, readout);
  el.append(root);

  let walkers = [];
  let contours = "";
  let timer = null;

  function row(rule) {
    const [name, rateCell, lossCell] = [html("th", { scope: "row" }), html("td"), html("td")];
    name.append(swatch(rule), html("span", {}, RULES[rule].title));
    const made = html("tr");
    made.append(name, rateCell, lossCell);
    body.append(made);
    return { rateCell, lossCell };
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

  function survey() {
    const { loss, reach } = LANDSCAPES[model.get("landscape")];
    const high = (reach * INNER.height) / INNER.width; // equal scales: descent crosses contours squarely
    map.x = [-reach, reach];
    map.y = [-high, high];
    const at = (k, most) => ((2 * k) / CELLS - 1) * most;
    const grid = Array.from({ length: CELLS + 1 }, (_, j) =>
      Array.from({ length: CELLS + 1 }, (_, i) => loss([at(i, reach), at(j, high)])));
    const top = Math.max(...grid.flat());
    const parts = [];
    for (let k = 1; k <= 10; k += 1) {
      for (const [x1, y1, x2, y2] of contour(grid, CELLS, top * ((k - 0.5) / 10) ** 2)) {
        const [a, b, c, d] = [map.px(at(x1, reach)), map.py(at(y1, high)), map.px(at(x2, reach)), map.py(at(y2, high))];
        parts.push(`M${a.toFixed(1)} ${b.toFixed(1)}L${c.toFixed(1)} ${d.toFixed(1)}`);
      }
    }
    contours = parts.join("");
    restart();
  }

  function restart() {
    stop();
    const begin = model.get("start");
    walkers = Object.keys(RULES).map((rule, i) => walker(rule, model.get("landscape"), begin, 1 + i));
    draw();
  }

  function draw() {
    choice.value = model.get("landscape");
    for (const show of [rate, friction, shaking]) show();
    map.drawTicks();
    map.layer.replaceChildren(svg("path", { class: "contour", d: contours }));
    chart.x = [0, Math.max(50, steps())];
    chart.y = LOSSES;
    chart.drawTicks((power) => (power ? `10${superscript(power)}` : "1"), 2);
    chart.layer.replaceChildren();
    for (const { rule, path, losses } of walkers) {
      drawLine(map, rule, path.map(([x, y]) => [map.px(x), map.py(y)]));
      const height = (loss) => chart.py(Math.max(Math.log10(Math.max(loss, 1e-300)), LOSSES[0]));
      drawLine(chart, rule, losses.map((loss, k) => [chart.px(k), height(loss)]));
    }
    start.draw();
    say();
  }

  function drawLine(view, rule, dots) {
    const group = svg("g", { class: rule });
    group.append(svg("polyline", { class: "path", points: dots.map((dot) => dot.map((p) => p.toFixed(1))).join(" ") }));
    const every = Math.max(10, 10 * Math.ceil(dots.length / 100));
    dots.forEach(([x, y], k) => {
      if (k !== dots.length - 1 && (k === 0 || k % every)) return;
      group.append(svg("path", { class: "marker", d: MARKERS[rule], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }));
    });
    view.layer.append(group);
  }

  function steps() {
    return Math.max(...walkers.map(({ path }) => path.length)) - 1;
  }

  function say() {
    for (const { rule, losses, lost } of walkers) {
      rows[rule].rateCell.textContent = short(RULES[rule].rate * model.get("multiple"));
      rows[rule].lossCell.textContent = lost ? "left the map" : short(losses.at(-1));
    }
    const racing = walkers.filter(({ lost }) => !lost);
    const order = [...racing].sort((a, b) => a.losses.at(-1) - b.losses.at(-1));
    const gone = walkers.filter(({ lost }) => lost).map(({ rule }) => RULES[rule].title);
    const place = `Step ${steps()}, ${LANDSCAPES[model.get("landscape")].title.toLowerCase()}`;
    if (steps() === 0) {
      readout.textContent = `${place}: all start at loss ${short(walkers[0].losses[0])}.`;
      return;
    }
    const ranks = order.map(({ rule, losses }) => `${RULES[rule].title} ${short(losses.at(-1))}`).join(", ");
    const away = gone.length ? ` Diverged: ${gone.join(", ")}.` : "";
    readout.textContent = `${place}: from the lowest loss to the highest, ${ranks || "nobody"}.${away}`;
  }

  function step() {
    const settings = { multiple: model.get("multiple"), mu: model.get("mu"), noise: model.get("noise") };
    walkers.forEach((each) => each.step(settings));
  }

  function finished() {
    return steps() >= MOST_STEPS || walkers.every(({ lost }) => lost);
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
      if (finished()) stop();
      else step();
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
  choice.addEventListener("change", () =>
    save({ landscape: choice.value, start: LANDSCAPES[choice.value].start }));

  // The start moves by pointer and by arrow keys (with Shift: five times as far).
  const start = (() => {
    const node = svg("g", { class: "handle", role: "slider", tabindex: 0, "aria-label": "Start of the race", "aria-roledescription": "movable point" });
    const dot = [svg("circle", { class: "reach", r: 14 }), svg("circle", { class: "dot", r: 6 })];
    node.append(...dot);
    map.handles.append(node);
    const grain = () => tickStep(map.x[1] - map.x[0]) / 20;
    const settle = (pair) => pair.map((number, j) => {
      const [low, high] = j ? map.y : map.x;
      const inside = Math.min(Math.max(number, low), high);
      return Number(Math.min(Math.max(Math.round(inside / grain()) * grain(), low), high).toPrecision(6));
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
      const far = grain() * (event.shiftKey ? 5 : 1);
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
        node.setAttribute("aria-valuetext", `θ₁ ${signed(x)}, θ₂ ${signed(y)}`);
      },
    };
  })();

  const listeners = { landscape: survey, start: restart, multiple: draw, mu: draw, noise: draw };
  for (const [name, listener] of Object.entries(listeners)) model.on(`change:${name}`, listener);
  survey();
  return () => {
    stop();
    for (const [name, listener] of Object.entries(listeners)) model.off(`change:${name}`, listener);
  };
}

function superscript(power) {
  return [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
}

export default { render };

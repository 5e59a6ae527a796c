// Least squares for a straight line: the mathematics first (tested against NumPy), then the page.
// theta = [intercept, slope]; loss = half the sum of squared residuals.

export function loss(theta, x, y) {
  return x.reduce((sum, xi, i) => sum + (y[i] - theta[0] - theta[1] * xi) ** 2 / 2, 0);
}

export function gradient(theta, x, y) {
  const residuals = x.map((xi, i) => theta[0] + theta[1] * xi - y[i]);
  return [
    residuals.reduce((sum, r) => sum + r, 0),
    residuals.reduce((sum, r, i) => sum + r * x[i], 0),
  ];
}

export function descend(theta, rate, x, y) {
  const g = gradient(theta, x, y);
  return [theta[0] - rate * g[0], theta[1] - rate * g[1]];
}

// Eigenvalues of X'X (largest first), its unit eigenvectors, and the minimum: the only one, or the
// one of least norm where all x agree.
export function solve(x, y) {
  const n = x.length;
  const sx = x.reduce((sum, xi) => sum + xi, 0);
  const sxx = x.reduce((sum, xi) => sum + xi * xi, 0);
  const spread = x.reduce((sum, xi) => sum + (xi - sx / n) ** 2, 0);
  const largest = (n + sxx) / 2 + Math.hypot((n - sxx) / 2, sx);
  const smallest = (n * spread) / largest; // the determinant is n * spread: no cancellation
  const angle = Math.atan2(2 * sx, n - sxx) / 2;
  const vectors = [
    [Math.cos(angle), Math.sin(angle)],
    [-Math.sin(angle), Math.cos(angle)],
  ];
  const unique = smallest > 1e-12 * largest;
  const g = gradient([0, 0], x, y);
  const theta = [0, 0];
  [largest, smallest].forEach((eigenvalue, j) => {
    if (j === 1 && !unique) return;
    const step = -(vectors[j][0] * g[0] + vectors[j][1] * g[1]) / eigenvalue;
    theta[0] += step * vectors[j][0];
    theta[1] += step * vectors[j][1];
  });
  return { theta, eigenvalues: [largest, smallest], vectors, unique };
}

const WIDTH = 340;
const HEIGHT = 300;
const MARGIN = { left: 46, right: 8, top: 24, bottom: 40 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
const MOST_STEPS = 400;

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

function tickStep(span) {
  const power = 10 ** Math.floor(Math.log10(span / 4));
  return power * [1, 2, 5, 10].find((factor) => span / (factor * power) <= 6);
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e5) return value.toExponential(1).replace("e+", " × 10^");
  return (size < 5e-4 ? 0 : value).toFixed(size < 10 ? 3 : size < 1000 ? 2 : 0).replace("-", "−");
}

// A set of axes; `x` and `y` are [lowest, highest]. What is drawn into `layer` is clipped.
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
  view.drawTicks = () => {
    const right = WIDTH - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    ticks.replaceChildren(
      svg("rect", { class: "frame", x: MARGIN.left, y: MARGIN.top, width: INNER.width, height: INNER.height }),
      svg("text", { x: (MARGIN.left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, titles.x),
      svg("text", { x: 4, y: 14 }, titles.y),
    );
    for (const value of ticksOf(view.x)) {
      ticks.append(svg("text", { x: MARGIN.left + view.px(value), y: bottom + 16, "text-anchor": "middle" }, tidy(value)));
    }
    for (const value of ticksOf(view.y)) {
      ticks.append(svg("text", { x: MARGIN.left - 6, y: MARGIN.top + view.py(value) + 4, "text-anchor": "end" }, tidy(value)));
    }
  };
  return view;
}

function clamp(pixels) {
  return Math.min(Math.max(pixels, -1e5), 1e5); // a diverging path leaves the picture, not the numbers
}

function ticksOf([low, high]) {
  const step = tickStep(high - low);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

function tidy(value) {
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

function render({ model, el }) {
  const root = html("div", { class: "dlbook-least-squares", role: "group", "aria-label": "Least squares to play with" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const panels = html("div", { class: "dlbook-ls-panels" });
  const plane = axes("Points and line", { x: "x", y: "y" });
  const landscape = axes("Loss landscape", { x: "intercept", y: "slope" });
  panels.append(plane.root, landscape.root);

  const controls = html("div", { class: "dlbook-ls-controls" });
  const stepButton = html("button", { type: "button" }, "Step");
  const runButton = html("button", { type: "button" }, "Run");
  const solveButton = html("button", { type: "button" }, "Solve");
  const resetButton = html("button", { type: "button" }, "Reset");
  const slider = html("input", { type: "range", min: 0.01, max: 1.2, step: 0.01 });
  const rateText = html("span");
  const label = html("label", {}, "Learning rate");
  label.append(slider, rateText);
  controls.append(stepButton, runButton, solveButton, resetButton, label);
  const readout = html("p", { class: "dlbook-ls-readout", "aria-live": "polite" });
  root.append(panels, controls, readout);
  el.append(root);

  const first = { x: model.get("x"), y: model.get("y"), start: model.get("start"), multiple: model.get("multiple") };
  plane.x = padded(first.x);
  plane.y = padded([...first.y, 0]);
  let path = [first.start];
  let minimum = null;
  let timer = null;
  const points = first.x.map((_, i) => handle(plane, `Point ${i + 1}`, ["x", "y"], {
    get: () => [model.get("x")[i], model.get("y")[i]],
    set: ([x, y]) => save({ x: model.get("x").with(i, x), y: model.get("y").with(i, y) }),
  }));
  const start = handle(landscape, "Start of the descent", ["intercept", "slope"], {
    get: () => model.get("start"),
    set: (theta) => save({ start: theta }),
  });
  start.node.classList.add("start");

  function save(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  function rate() {
    return (model.get("multiple") * 2) / minimum.eigenvalues[0];
  }

  function refit() {
    const start = model.get("start");
    minimum = solve(model.get("x"), model.get("y"));
    const reach = 1.25 * Math.max(1, ...minimum.theta.map((centre, j) => Math.abs(start[j] - centre)));
    const wide = (reach * INNER.width) / INNER.height; // equal scales: descent crosses contours squarely
    landscape.x = [minimum.theta[0] - wide, minimum.theta[0] + wide];
    landscape.y = [minimum.theta[1] - reach, minimum.theta[1] + reach];
    restart();
  }

  function restart() {
    stop();
    path = [model.get("start")];
    draw();
  }

  function draw() {
    plane.drawTicks();
    landscape.drawTicks();
    drawPlane();
    drawLandscape();
    [...points, start].forEach((each) => each.draw());
    const multiple = model.get("multiple");
    slider.value = multiple;
    rateText.textContent = `η = ${multiple.toFixed(2)} × 2/λₘₐₓ = ${short(rate())}`;
    slider.setAttribute("aria-valuetext", `${multiple.toFixed(2)} times the largest stable rate`);
    say();
  }

  function drawPlane() {
    const theta = path.at(-1);
    const [x, y] = [model.get("x"), model.get("y")];
    plane.layer.replaceChildren(
      ...x.map((xi, i) => square(xi, y[i], theta[0] + theta[1] * xi)),
      line(minimum.theta, "solved"),
      line(theta, "current"),
    );
  }

  function square(x, y, fitted) {
    const side = Math.abs(plane.py(y) - plane.py(fitted));
    const left = plane.px(x) > INNER.width / 2 ? plane.px(x) - side : plane.px(x);
    const top = Math.min(plane.py(y), plane.py(fitted));
    return svg("rect", { class: "square", x: left, y: top, width: side, height: side });
  }

  function line(theta, name) {
    const [x1, x2] = plane.x;
    const [y1, y2] = [x1, x2].map((x) => plane.py(theta[0] + theta[1] * x));
    return svg("line", { class: name, x1: 0, x2: INNER.width, y1, y2 });
  }

  function drawLandscape() {
    const [cx, cy] = [landscape.px(minimum.theta[0]), landscape.py(minimum.theta[1])];
    const [steepest] = minimum.vectors;
    const ratio = Math.min(Math.sqrt(minimum.eigenvalues[0] / minimum.eigenvalues[1]), 1e3);
    const gap = Math.max(INNER.height / (8 * ratio), 9); // pixels between contours where steepest
    const turn = (-Math.atan2(steepest[1], steepest[0]) * 180) / Math.PI;
    landscape.layer.replaceChildren();
    for (let rx = gap; rx < INNER.width; rx += gap) {
      const transform = `rotate(${turn} ${cx} ${cy})`;
      landscape.layer.append(svg("ellipse", { class: "contour", cx, cy, rx, ry: rx * ratio, transform }));
    }
    const dots = path.map((theta) => [landscape.px(theta[0]), landscape.py(theta[1])]);
    landscape.layer.append(
      svg("path", { class: "minimum", d: `M${cx - 6} ${cy}h12M${cx} ${cy - 6}v12` }),
      svg("polyline", { class: "path", points: dots.join(" ") }),
      ...dots.slice(1).map(([x, y]) => svg("circle", { class: "iterate", cx: x, cy: y, r: 2.5 })),
    );
  }

  function say() {
    const theta = path.at(-1);
    const [x, y] = [model.get("x"), model.get("y")];
    const best = minimum.unique ? "" : " All x agree: every line through the mean point is as good.";
    const fate = model.get("multiple") > 1 && path.length > 1 ? " The rate is above the limit: the steps grow." : "";
    readout.textContent =
      `Step ${path.length - 1}: intercept ${short(theta[0])}, slope ${short(theta[1])}, ` +
      `loss ${short(loss(theta, x, y))}; the least loss is ${short(loss(minimum.theta, x, y))}.${fate}${best}`;
  }

  function step() {
    path.push(descend(path.at(-1), rate(), model.get("x"), model.get("y")));
  }

  function finished() {
    const g = gradient(path.at(-1), model.get("x"), model.get("y"));
    const size = Math.hypot(...g);
    return path.length > MOST_STEPS || size < 1e-6 * minimum.eigenvalues[0] || size > 1e9 * minimum.eigenvalues[0];
  }

  function run() {
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
    }, 120);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    runButton.textContent = "Run";
    readout.setAttribute("aria-live", "polite");
  }

  stepButton.addEventListener("click", () => {
    stop();
    step();
    draw();
  });
  runButton.addEventListener("click", () => {
    if (timer === null) return run();
    stop();
    draw();
  });
  solveButton.addEventListener("click", () => {
    stop();
    path.push(minimum.theta);
    draw();
  });
  resetButton.addEventListener("click", () => {
    save(first);
    refit();
  });
  slider.addEventListener("input", () => save({ multiple: Number(slider.value) }));

  // A point on `view` that moves by pointer and by arrow keys (with Shift: five times as far).
  function handle(view, name, axesNames, value) {
    const node = svg("g", { class: "handle", role: "slider", tabindex: 0, "aria-label": name, "aria-roledescription": "movable point" });
    const dot = [svg("circle", { class: "reach", r: 14 }), svg("circle", { class: "dot", r: 5 })];
    node.append(...dot);
    view.handles.append(node);
    const grain = (j) => tickStep(view[j ? "y" : "x"][1] - view[j ? "y" : "x"][0]) / 10;
    const settle = (pair) => pair.map((number, j) => {
      const [low, high] = j ? view.y : view.x;
      const kept = Math.min(Math.max(number, low), high);
      return Number((Math.round(kept / grain(j)) * grain(j)).toPrecision(8));
    });
    const place = (event) => {
      const box = view.root.getBoundingClientRect();
      const across = ((event.clientX - box.left) * WIDTH) / box.width - MARGIN.left;
      const down = ((event.clientY - box.top) * HEIGHT) / box.height - MARGIN.top;
      return [
        view.x[0] + (across / INNER.width) * (view.x[1] - view.x[0]),
        view.y[1] - (down / INNER.height) * (view.y[1] - view.y[0]),
      ];
    };
    node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      node.focus({ preventScroll: true });
      node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointermove", (event) => {
      if (node.hasPointerCapture(event.pointerId)) value.set(settle(place(event)));
    });
    node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation(); // notebooks move between cells by arrow keys
      value.set(settle(value.get().map((number, j) => number + by[j] * grain(j) * (event.shiftKey ? 5 : 1))));
    });
    return {
      node,
      draw() {
        const [x, y] = value.get();
        dot.forEach((circle) => {
          circle.setAttribute("cx", MARGIN.left + view.px(x));
          circle.setAttribute("cy", MARGIN.top + view.py(y));
        });
        node.setAttribute("aria-valuenow", y);
        node.setAttribute("aria-valuetext", `${axesNames[0]} ${tidy(x)}, ${axesNames[1]} ${tidy(y)}`);
      },
    };
  }

  const listeners = { x: refit, y: refit, start: restart, multiple: draw };
  for (const [name, listener] of Object.entries(listeners)) model.on(`change:${name}`, listener);
  refit();
  return () => {
    stop();
    for (const [name, listener] of Object.entries(listeners)) model.off(`change:${name}`, listener);
  };
}

function padded(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) / 3;
  return [low - pad, high + pad];
}

export default { render };

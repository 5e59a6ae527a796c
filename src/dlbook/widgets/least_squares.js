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

const MOST_STEPS = 400;

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e5) return value.toExponential(1).replace("e+", " × 10^");
  return (size < 5e-4 ? 0 : value).toFixed(size < 10 ? 3 : size < 1000 ? 2 : 0).replace("-", "−");
}

function render({ model, el }) {
  const plane = axes("Points and line", { x: "x", y: "y" });
  const landscape = axes("Loss landscape", { x: "intercept", y: "slope" });
  const [stepButton, runButton] = [button("Step"), button("Run")];
  const [solveButton, resetButton] = [button("Solve"), button("Reset")];
  const rates = html("input", { type: "range", min: 0.01, max: 1.2, step: 0.01 });
  const rateText = html("span");
  const spoken = readout();
  const root = group("least-squares", "Least squares to play with");
  root.append(
    html("div", { class: "plots" }, plane.root, landscape.root),
    html("div", { class: "controls" }, stepButton, runButton, solveButton, resetButton,
      html("label", {}, "Learning rate", rates, rateText)),
    spoken,
  );
  el.append(root);

  const first = read(model, ["x", "y", "start", "multiple"]);
  plane.x = padded(first.x);
  plane.y = padded([...first.y, 0]);
  let path = [first.start];
  let minimum = null;
  const points = first.x.map((_, i) => movablePoint(plane, `Point ${i + 1}`, {
    radius: 5,
    grain: (j) => tickStep(j ? plane.y : plane.x) / 10,
    get: () => [model.get("x")[i], model.get("y")[i]],
    set: ([x, y]) => save(model, { x: model.get("x").with(i, x), y: model.get("y").with(i, y) }),
    say: ([x, y]) => `x ${x}, y ${y}`,
  }));
  const start = movablePoint(landscape, "Start of the descent", {
    radius: 5,
    grain: (j) => tickStep(j ? landscape.y : landscape.x) / 10,
    get: () => model.get("start"),
    set: (theta) => save(model, { start: theta }),
    say: ([intercept, slope]) => `intercept ${intercept}, slope ${slope}`,
  });
  start.node.classList.add("start");

  function rate() {
    return (model.get("multiple") * 2) / minimum.eigenvalues[0];
  }

  function refit() {
    const start = model.get("start");
    minimum = solve(model.get("x"), model.get("y"));
    const reach = 1.25 * Math.max(1, ...minimum.theta.map((centre, j) => Math.abs(start[j] - centre)));
    const wide = (reach * landscape.width) / landscape.height; // equal scales: descent crosses contours squarely
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
    rates.value = multiple;
    rateText.textContent = `η = ${multiple.toFixed(2)} × 2/λₘₐₓ = ${short(rate())}`;
    rates.setAttribute("aria-valuetext", `${multiple.toFixed(2)} times the largest stable rate`);
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
    const left = plane.px(x) > plane.width / 2 ? plane.px(x) - side : plane.px(x);
    const top = Math.min(plane.py(y), plane.py(fitted));
    return svg("rect", { class: "square", x: left, y: top, width: side, height: side });
  }

  function line(theta, name) {
    const [x1, x2] = plane.x;
    const [y1, y2] = [x1, x2].map((x) => plane.py(theta[0] + theta[1] * x));
    return svg("line", { class: name, x1: 0, x2: plane.width, y1, y2 });
  }

  function drawLandscape() {
    const [cx, cy] = [landscape.px(minimum.theta[0]), landscape.py(minimum.theta[1])];
    const [steepest] = minimum.vectors;
    const ratio = Math.min(Math.sqrt(minimum.eigenvalues[0] / minimum.eigenvalues[1]), 1e3);
    const gap = Math.max(landscape.height / (8 * ratio), 9); // pixels between contours where steepest
    const turn = (-Math.atan2(steepest[1], steepest[0]) * 180) / Math.PI;
    landscape.layer.replaceChildren();
    for (let rx = gap; rx < landscape.width; rx += gap) {
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
    spoken.textContent =
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

  const stop = runner(runButton, spoken, { interval: 120, step, finished, draw });
  stepButton.addEventListener("click", () => {
    stop();
    step();
    draw();
  });
  solveButton.addEventListener("click", () => {
    stop();
    path.push(minimum.theta);
    draw();
  });
  resetButton.addEventListener("click", () => {
    save(model, first);
    refit();
  });
  rates.addEventListener("input", () => save(model, { multiple: Number(rates.value) }));

  const unlisten = listen(model, [["x", refit], ["y", refit], ["start", restart], ["multiple", draw]]);
  refit();
  return () => {
    stop();
    unlisten();
  };
}

function padded(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) / 3;
  return [low - pad, high + pad];
}

export default { render };

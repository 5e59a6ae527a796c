// Logistic regression on the plane: the mathematics first (tested against NumPy), then the page.
// theta = [bias, weights of the standardised features]; the ridge leaves the bias free.

export const FEATURES = {
  "x1^2": ([a]) => a * a,
  "x2^2": ([, b]) => b * b,
  "x1 x2": ([a, b]) => a * b,
  "r^2": ([a, b]) => a * a + b * b,
};

export function sigmoid(z) {
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
}

// log(1 + e^z) without overflow
export function softplus(z) {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

// A function from a point to its row [1, features…], standardised over the points given.
export function designer(inputs, names) {
  const make = (point) => [...point, ...names.map((name) => FEATURES[name](point))];
  const rows = inputs.map(make);
  const scales = rows[0].map((_, j) => {
    const mean = rows.reduce((sum, row) => sum + row[j], 0) / rows.length;
    const variance = rows.reduce((sum, row) => sum + (row[j] - mean) ** 2, 0) / rows.length;
    return [mean, Math.sqrt(variance) || 1];
  });
  return (point) => [1, ...make(point).map((value, j) => (value - scales[j][0]) / scales[j][1])];
}

function dot(a, b) {
  return a.reduce((sum, value, j) => sum + value * b[j], 0);
}

export function loss(theta, X, y, ridge) {
  const fitted = X.reduce((sum, row, i) => {
    const z = dot(row, theta);
    return sum + softplus(y[i] === 1 ? -z : z);
  }, 0);
  return fitted + ridge * dot(theta.slice(1), theta.slice(1));
}

export function gradient(theta, X, y, ridge) {
  const g = theta.map((weight, j) => (j ? 2 * ridge * weight : 0));
  X.forEach((row, i) => {
    const error = sigmoid(dot(row, theta)) - y[i];
    row.forEach((value, j) => (g[j] += error * value));
  });
  return g;
}

export function hessian(theta, X, ridge) {
  const H = theta.map((_, j) => theta.map((__, k) => (j && j === k ? 2 * ridge : 0)));
  for (const row of X) {
    const p = sigmoid(dot(row, theta));
    const weight = p * (1 - p);
    for (let j = 0; j < row.length; j++) for (let k = 0; k < row.length; k++) H[j][k] += weight * row[j] * row[k];
  }
  return H;
}

// Largest eigenvalue of X'X by the power method.
export function largestEigenvalue(X) {
  let v = X[0].map((_, j) => 1 / (j + 1));
  let value = 0;
  for (let k = 0; k < 200; k++) {
    const next = v.map(() => 0);
    for (const row of X) {
      const along = dot(row, v);
      row.forEach((x, j) => (next[j] += along * x));
    }
    value = Math.hypot(...next) / Math.hypot(...v);
    v = next.map((x) => x / Math.hypot(...next));
  }
  return value;
}

// A step of the length 1 / (largest curvature there can be); with it the loss never rises.
export function descend(theta, X, y, ridge) {
  const rate = 1 / (1.01 * (largestEigenvalue(X) / 4) + 2 * ridge);
  const g = gradient(theta, X, y, ridge);
  return theta.map((value, j) => value - rate * g[j]);
}

// Gaussian elimination with pivoting on a symmetric positive semidefinite system. Directions
// without any curvature (dependent features) are left alone.
export function solve(A, b) {
  const n = b.length;
  const rows = A.map((row, i) => [...row, b[i]]);
  const floor = 1e-12 * Math.max(...A.map((row, i) => row[i]));
  const free = new Set();
  for (let k = 0; k < n; k++) {
    if (rows[k][k] <= floor) {
      free.add(k);
      continue;
    }
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  const x = b.map(() => 0);
  for (let k = n - 1; k >= 0; k--) {
    if (free.has(k)) continue;
    let known = 0;
    for (let j = k + 1; j < n; j++) known += rows[k][j] * x[j];
    x[k] = (rows[k][n] - known) / rows[k][k];
  }
  return x;
}

// Newton's step, halved until the loss does not rise.
export function newton(theta, X, y, ridge) {
  const step = solve(hessian(theta, X, ridge), gradient(theta, X, y, ridge));
  const before = loss(theta, X, y, ridge);
  for (let part = 1; part > 1e-6; part /= 2) {
    const next = theta.map((value, j) => value - part * step[j]);
    if (loss(next, X, y, ridge) <= before) return next;
  }
  return theta;
}

const SIZE = 320; // of the picture, in its own units
const CELLS = 48;
const RIDGES = [0, 0.001, 0.1, 1];
const MOST_STEPS = 2000;
const SPOKEN = { "x1^2": "x₁²", "x2^2": "x₂²", "x1 x2": "x₁x₂", "r^2": "r²" };

function weighted(value, name, first) {
  const sign = value < 0 ? "−" : first ? "" : "+";
  return `${first ? sign : ` ${sign} `}${Math.abs(value).toFixed(2)}${name}`;
}

function render({ model, el }) {
  const canvas = html("canvas", { width: CELLS, height: CELLS });
  const overlay = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" });
  const picture = html("div", { class: "picture", role: "img" }, canvas, overlay);
  const points = menu(model.get("examples").map(({ name }) => [name, name]));
  const ridges = menu(RIDGES.map((value) => [value, String(value)]));
  const toggles = Object.keys(FEATURES).map((name) => html("input", { type: "checkbox", value: name }));
  const boxes = toggles.map((box) => html("label", {}, box, html("span", {}, SPOKEN[box.value])));
  const buttons = ["Descend", "Run", "Newton", "Reset"].map((name) => button(name));
  const [descendButton, runButton, newtonButton, resetButton] = buttons;
  const spoken = readout();
  const root = group("logistic", "Logistic regression to play with");
  root.append(picture, html("div", { class: "side" },
    html("label", {}, "Points", points),
    html("fieldset", {}, html("legend", {}, "Features besides x₁ and x₂"), ...boxes),
    html("label", {}, "Ridge γ", ridges),
    html("div", { class: "buttons" }, ...buttons),
    spoken,
  ));
  el.append(root);

  let data, row, X, theta, steps, moved;

  function restart() {
    stop();
    data = model.get("examples").find(({ name }) => name === model.get("chosen"));
    row = designer(data.inputs, model.get("features"));
    X = data.inputs.map(row);
    theta = X[0].map(() => 0);
    steps = { Descend: 0, Newton: 0 };
    points.value = data.name;
    ridges.value = String(model.get("ridge"));
    toggles.forEach((box) => (box.checked = model.get("features").includes(box.value)));
    draw();
  }

  function take(kind) {
    const next = (kind === "Newton" ? newton : descend)(theta, X, data.labels, model.get("ridge"));
    moved = Math.max(...next.map((value, j) => Math.abs(value - theta[j])));
    theta = next;
    steps[kind] += 1;
  }

  function view() {
    const ranges = [0, 1].map((axis) => {
      const values = data.inputs.map((point) => point[axis]);
      return [Math.min(...values), Math.max(...values)];
    });
    const reach = 0.58 * Math.max(...ranges.map(([low, high]) => high - low));
    return ranges.map(([low, high]) => [(low + high) / 2 - reach, (low + high) / 2 + reach]);
  }

  function draw() {
    const [[left, right], [bottom, top]] = view();
    const at = (i, j) => [left + (j * (right - left)) / CELLS, top - (i * (top - bottom)) / CELLS];
    const score = (point) => dot(row(point), theta);
    const cells = Array.from({ length: CELLS ** 2 }, (_, k) => score(at(Math.floor(k / CELLS) + 0.5, (k % CELLS) + 0.5)));
    shade(canvas, cells.map((z) => 2 * sigmoid(z) - 1), 1, 150);
    const corners = Array.from({ length: (CELLS + 1) ** 2 }, (_, k) => score(at(Math.floor(k / (CELLS + 1)), k % (CELLS + 1))));
    const px = (x) => ((x - left) / (right - left)) * SIZE;
    const py = (y) => ((top - y) / (top - bottom)) * SIZE;
    overlay.replaceChildren(
      svg("rect", { class: "frame", width: SIZE, height: SIZE }),
      ...data.inputs.map(([x, y], i) => mark(px(x), py(y), data.labels[i])),
      svg("path", { class: "boundary", d: pathOf(zeroLine(corners, CELLS + 1), (cell) => (cell * SIZE) / CELLS) }),
    );
    say();
  }

  function mark(x, y, label) {
    if (label) return svg("rect", { class: "one", x: x - 3.5, y: y - 3.5, width: 7, height: 7 });
    return svg("circle", { class: "zero", cx: x, cy: y, r: 4 });
  }

  function say() {
    const right = X.filter((each, i) => dot(each, theta) > 0 === (data.labels[i] === 1)).length;
    const names = ["", "x₁", "x₂", ...model.get("features").map((name) => SPOKEN[name])];
    const formula = theta.map((value, j) => weighted(value, names[j], j === 0)).join("");
    const size = Math.hypot(...gradient(theta, X, data.labels, model.get("ridge")));
    const there = size < 1e-3 ? " The gradient is zero to three decimals." : "";
    const decided = theta.some((value) => Math.abs(value) > 1e-9);
    spoken.textContent =
      `${steps.Descend} gradient and ${steps.Newton} Newton steps: loss ${loss(theta, X, data.labels, model.get("ridge")).toFixed(3)}, ` +
      (decided ? `${right} of ${X.length} points right.` : "every probability one half.") +
      ` Score of the standardised features: ${formula}.${there}`;
    picture.setAttribute("aria-label", `${data.name}: circles of class 0, squares of class 1, and the probability of class 1 as shading; ${decided ? `${right} of ${X.length} on their own side of the boundary` : "no boundary yet"}`);
  }

  const stop = runner(runButton, spoken, {
    interval: 60,
    stride: 5,
    begin: () => (moved = Infinity),
    step: () => take("Descend"),
    finished: () => moved < 1e-4 || steps.Descend >= MOST_STEPS,
    draw,
  });

  function single(kind) {
    stop();
    take(kind);
    draw();
  }

  descendButton.addEventListener("click", () => single("Descend"));
  newtonButton.addEventListener("click", () => single("Newton"));
  resetButton.addEventListener("click", restart);
  points.addEventListener("change", () => save(model, { chosen: points.value }));
  ridges.addEventListener("change", () => save(model, { ridge: Number(ridges.value) }));
  toggles.forEach((box) => box.addEventListener("change", () => {
    save(model, { features: toggles.filter((each) => each.checked).map((each) => each.value) });
  }));

  const unlisten = listen(model, ["chosen", "features", "ridge"].map((name) => [name, restart]));
  restart();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

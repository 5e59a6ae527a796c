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

// A walker: its path, whether it is still within bounds, and a function that takes it one step on.
export function walker(rule, landscape, start, seed) {
  const { next, rate } = RULES[rule];
  const { gradient, loss } = LANDSCAPES[landscape];
  const { normal } = generator(seed);
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

function render({ model, el }) {
  const map = axes("Map of the loss", { x: "θ₁", y: "θ₂" });
  const chart = axes("Loss against steps", { x: "step", y: "loss" });
  const [stepButton, runButton, resetButton] = [button("Step"), button("Run"), button("Reset")];
  const choice = menu(Object.entries(LANDSCAPES).map(([name, { title }]) => [name, title]));
  const sliders = [
    slider("Learning rate", { min: -1, max: 1, step: 0.05 }, {
      get: () => Math.log10(model.get("multiple")),
      set: (power) => save(model, { multiple: Number((10 ** power).toPrecision(3)) }),
      say: () => `${Number(model.get("multiple").toPrecision(3))} × default`,
    }),
    slider("Momentum μ", { min: 0, max: 0.99, step: 0.01 }, {
      get: () => model.get("mu"),
      set: (mu) => save(model, { mu }),
      say: () => model.get("mu").toFixed(2),
    }),
    slider("Noise", { min: 0, max: 3, step: 0.05 }, {
      get: () => model.get("noise"),
      set: (noise) => save(model, { noise }),
      say: () => model.get("noise").toFixed(2),
    }),
  ];
  const head = ["rule", "rate", "loss"].map((name) => html("th", { scope: "col" }, name));
  const cells = Object.fromEntries(Object.keys(RULES).map((rule) => [rule, [html("td"), html("td")]]));
  const rows = Object.entries(RULES).map(([rule, { title }]) =>
    html("tr", {}, html("th", { scope: "row" }, sampleOfLine(rule, MARKERS[rule]), html("span", {}, title)), ...cells[rule]));
  const spoken = readout();
  const root = group("race", "Race of optimisers");
  root.append(
    html("div", { class: "plots" }, map.root, chart.root),
    html("div", { class: "controls" }, stepButton, runButton, resetButton, html("label", {}, "Landscape", choice)),
    html("div", { class: "controls" }, ...sliders.map(({ label }) => label)),
    html("table", { class: "lines" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...rows)),
    spoken,
  );
  el.append(root);

  let walkers = [];
  let contours = "";

  function survey() {
    const { loss, reach } = LANDSCAPES[model.get("landscape")];
    const high = (reach * map.height) / map.width; // equal scales: descent crosses contours squarely
    map.x = [-reach, reach];
    map.y = [-high, high];
    const at = (k, most) => ((2 * k) / CELLS - 1) * most;
    const values = Array.from({ length: (CELLS + 1) ** 2 }, (_, k) =>
      loss([at(k % (CELLS + 1), reach), at(Math.floor(k / (CELLS + 1)), high)]));
    const most = Math.max(...values);
    contours = Array.from({ length: 10 }, (_, k) => {
      const level = most * ((k + 0.5) / 10) ** 2;
      const pieces = zeroLine(values.map((value) => value - level), CELLS + 1);
      return pathOf(pieces, (i) => map.px(at(i, reach)), (j) => map.py(at(j, high)));
    }).join("");
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
    for (const { show } of sliders) show();
    map.drawTicks();
    map.layer.replaceChildren(svg("path", { class: "contour", d: contours }));
    chart.x = [0, Math.max(50, steps())];
    chart.y = LOSSES;
    chart.drawTicks({ y: multiples(LOSSES, 2), nameY: powerOfTen });
    chart.layer.replaceChildren();
    for (const { rule, path, losses } of walkers) {
      map.layer.append(markedLine(rule, path.map(([x, y]) => [map.px(x), map.py(y)]), MARKERS[rule]));
      const height = (loss) => chart.py(Math.max(Math.log10(Math.max(loss, 1e-300)), LOSSES[0]));
      chart.layer.append(markedLine(rule, losses.map((loss, k) => [chart.px(k), height(loss)]), MARKERS[rule]));
    }
    start.draw();
    say();
  }

  function steps() {
    return Math.max(...walkers.map(({ path }) => path.length)) - 1;
  }

  function say() {
    for (const { rule, losses, lost } of walkers) {
      const [rateCell, lossCell] = cells[rule];
      rateCell.textContent = scientific(RULES[rule].rate * model.get("multiple"));
      lossCell.textContent = lost ? "left the map" : scientific(losses.at(-1));
    }
    const racing = walkers.filter(({ lost }) => !lost);
    const order = [...racing].sort((a, b) => a.losses.at(-1) - b.losses.at(-1));
    const gone = walkers.filter(({ lost }) => lost).map(({ rule }) => RULES[rule].title);
    const place = `Step ${steps()}, ${LANDSCAPES[model.get("landscape")].title.toLowerCase()}`;
    if (steps() === 0) {
      spoken.textContent = `${place}: all start at loss ${scientific(walkers[0].losses[0])}.`;
      return;
    }
    const ranks = order.map(({ rule, losses }) => `${RULES[rule].title} ${scientific(losses.at(-1))}`).join(", ");
    const away = gone.length ? ` Diverged: ${gone.join(", ")}.` : "";
    spoken.textContent = `${place}: from the lowest loss to the highest, ${ranks || "nobody"}.${away}`;
  }

  function step() {
    const settings = read(model, ["multiple", "mu", "noise"]);
    walkers.forEach((each) => each.step(settings));
  }

  function finished() {
    return steps() >= MOST_STEPS || walkers.every(({ lost }) => lost);
  }

  const begin = () => finished() && restart();
  const stop = runner(runButton, spoken, { interval: 60, begin, step, finished, draw });
  stepButton.addEventListener("click", () => {
    stop();
    if (!finished()) step();
    draw();
  });
  resetButton.addEventListener("click", restart);
  choice.addEventListener("change", () =>
    save(model, { landscape: choice.value, start: LANDSCAPES[choice.value].start }));

  const start = movablePoint(map, "Start of the race", {
    grain: () => tickStep(map.x) / 20,
    get: () => model.get("start"),
    set: (theta) => save(model, { start: theta }),
    say: ([first, second]) => `θ₁ ${first}, θ₂ ${second}`,
  });

  const unlisten = listen(model, [
    ["landscape", survey], ["start", restart], ["multiple", draw], ["mu", draw], ["noise", draw],
  ]);
  survey();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

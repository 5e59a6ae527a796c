// Backpropagation on a small graph: the mathematics first (tested against NumPy), then the page.
// A circuit is a list of nodes, inputs first; a node that is no input names its operation and the
// nodes it takes. Its place in the picture, [x, y], belongs to it too.

export const OPERATIONS = {
  add: { symbol: "+", value: (a, b) => a + b, local: [() => 1, () => 1], why: ["1", "1"] },
  multiply: { symbol: "×", value: (a, b) => a * b, local: [(a, b) => b, (a) => a], why: ["{b}", "{a}"] },
  negate: { symbol: "×(−1)", value: (a) => -a, local: [() => -1], why: ["−1"] },
  exp: { symbol: "exp", value: (a) => Math.exp(a), local: [(a) => Math.exp(a)], why: ["exp {a}"] },
  increment: { symbol: "+1", value: (a) => a + 1, local: [() => 1], why: ["1"] },
  reciprocal: { symbol: "1/x", value: (a) => 1 / a, local: [(a) => -1 / (a * a)], why: ["−1/{a}²"] },
};

const input = (name, label, at, value) => ({ name, label, at, value, from: [] });
const gate = (name, operation, from, at) => ({ name, label: name, operation, from, at });

export const CIRCUITS = {
  product: {
    title: "f = (x + y) z",
    height: 300,
    nodes: [
      input("x", "x", [70, 22], -2), input("y", "y", [230, 22], 5), input("z", "z", [340, 122], -4),
      gate("q", "add", ["x", "y"], [150, 122]), gate("f", "multiply", ["q", "z"], [245, 222]),
    ],
  },
  neuron: {
    title: "f = σ(w₀x₀ + w₁x₁ + w₂)",
    height: 664,
    nodes: [
      input("w0", "w₀", [40, 22], 2), input("x0", "x₀", [158, 22], -1),
      input("w1", "w₁", [272, 22], -3), input("x1", "x₁", [390, 22], -2), input("w2", "w₂", [380, 212], -3),
      gate("a", "multiply", ["w0", "x0"], [99, 116]), gate("b", "multiply", ["w1", "x1"], [331, 116]),
      gate("c", "add", ["a", "b"], [190, 206]), gate("z", "add", ["c", "w2"], [235, 300]),
      gate("u", "negate", ["z"], [235, 372]), gate("v", "exp", ["u"], [235, 444]),
      gate("s", "increment", ["v"], [235, 516]), gate("f", "reciprocal", ["s"], [235, 588]),
    ],
  },
  shared: {
    title: "f = (x + y) x, where x is used twice",
    height: 312,
    nodes: [
      input("x", "x", [120, 22], 3), input("y", "y", [330, 22], 2),
      gate("q", "add", ["x", "y"], [300, 122]), gate("f", "multiply", ["q", "x"], [180, 232]),
    ],
  },
};

// The value of each node, by name.
export function evaluate(circuit, inputs) {
  const values = {};
  for (const node of CIRCUITS[circuit].nodes) {
    const taken = node.from.map((name) => values[name]);
    values[node.name] = node.operation ? OPERATIONS[node.operation].value(...taken) : inputs[node.name];
  }
  return values;
}

// The edges in the order of the backward pass, each with its local derivative, the adjoint of the
// node that it leads to, their product (its part), and what the input's adjoint is after adding it.
export function backward(circuit, values) {
  const { nodes } = CIRCUITS[circuit];
  const totals = { [nodes.at(-1).name]: 1 };
  const edges = [];
  for (const node of nodes.toReversed()) {
    const taken = node.from.map((name) => values[name]);
    node.from.forEach((from, slot) => {
      const local = OPERATIONS[node.operation].local[slot](...taken);
      const above = totals[node.name];
      const before = totals[from];
      totals[from] = (before ?? 0) + local * above;
      edges.push({ from, to: node.name, slot, local, above, part: local * above, before, total: totals[from] });
    });
  }
  return { edges, adjoints: totals };
}

// All steps: which values and which edges' adjoints are known after each, and a sentence.
export function steps(circuit, inputs) {
  const { nodes } = CIRCUITS[circuit];
  const values = evaluate(circuit, inputs);
  const { edges, adjoints } = backward(circuit, values);
  const given = nodes.filter((node) => !node.operation);
  const gates = nodes.filter((node) => node.operation);
  const label = Object.fromEntries(nodes.map((node) => [node.name, node.label]));
  const known = given.map((node) => node.name);
  const list = [{
    known: [...known], passed: 0, started: false, active: [],
    text: `The inputs: ${given.map((node) => `${node.label} = ${short(values[node.name])}`).join(", ")}.`,
  }];
  for (const node of gates) {
    known.push(node.name);
    list.push({
      known: [...known], passed: 0, started: false, active: [node.name],
      text: `Forward: ${node.label} = ${formula(node, label)} = ${formula(node, values, true)} = ${short(values[node.name])}.`,
    });
  }
  const last = gates.at(-1).label;
  list.push({
    known, passed: 0, started: true, active: [gates.at(-1).name],
    text: `Backward begins at the output: ${bar(last)} = ∂${last}/∂${last} = 1.`,
  });
  edges.forEach((edge, i) => {
    const [above, below] = [label[edge.to], label[edge.from]];
    const node = nodes.find((each) => each.name === edge.to);
    const why = reason(node, edge.slot, label);
    const local = `∂${above}/∂${below} = ${why}${Number(why.replace("−", "-")) === edge.local ? "" : ` = ${short(edge.local)}`}`;
    const product = `${short(edge.local)} × ${wrap(edge.above)} = ${short(edge.part)}`;
    const end = edge.before === undefined
      ? `${bar(below)} = ${product}.`
      : `${product}; ${below} is used twice, so add it: ${bar(below)} = ${short(edge.before)} + ${wrap(edge.part)} = ${short(edge.total)}.`;
    list.push({
      known, passed: i + 1, started: true, active: [edge.from, edge.to],
      text: `Backward: local derivative ${local}, times the adjoint above, ${bar(above)} = ${short(edge.above)}: ${end}`,
    });
  });
  const results = given.map((node) => `∂${last}/∂${node.label} = ${short(adjoints[node.name])}`);
  list.push({ known, passed: edges.length, started: true, active: [], text: `Done: ${results.join(", ")}.` });
  return { list, values, edges, adjoints };
}

export function short(value) {
  if (Number.isNaN(value)) return "undefined";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 5e-4 || size >= 1e5)
    ? value.toExponential(1).replace("e+", "e")
    : String(Number(value.toFixed(size < 10 ? 3 : size < 100 ? 2 : 1)));
  return text.replaceAll("-", "−").replace(/^−0$/, "0");
}

function wrap(value) {
  const text = short(value);
  return text.startsWith("−") ? `(${text})` : text;
}

const BAR = "\u0304"; // combining macron: x̄
function bar(label) {
  return label[0] + BAR + label.slice(1);
}

function formula(node, terms, numbers = false) {
  const [a, b] = node.from.map((name) => (numbers ? short(terms[name]) : terms[name]));
  const enclosed = b?.startsWith("−") ? `(${b})` : b;
  return {
    add: `${a} + ${enclosed}`, multiply: `${a} × ${enclosed}`, negate: numbers ? `−(${a})` : `−${a}`,
    exp: numbers ? `exp(${a})` : `exp ${a}`, increment: `${a} + 1`, reciprocal: `1/${a}`,
  }[node.operation];
}

function reason(node, slot, label) {
  const [a, b] = node.from.map((name) => label[name]);
  return OPERATIONS[node.operation].why[slot].replace("{a}", a).replace("{b}", b);
}

// ---- The page ----------------------------------------------------------------------------------

const WIDTH = 430;
const LIMIT = 10;

function shape(node) {
  if (!node.operation) return { rx: 15, ry: 14 };
  return { rx: OPERATIONS[node.operation].symbol.length > 2 ? 27 : 17, ry: 17 };
}

// A wire from one node's rim to another's or to `end`, and the place of its value and its adjoint:
// near where it starts, since wires that lead to the same node come close to each other there.
function wire(from, to, end = to.at) {
  const [dx, dy] = [end[0] - from.at[0], end[1] - from.at[1]];
  const length = Math.hypot(dx, dy);
  const rim = (node) => {
    const { rx, ry } = shape(node);
    return length / Math.hypot(dx / rx, dy / ry);
  };
  const at = (distance) => [from.at[0] + (dx * distance) / length, from.at[1] + (dy * distance) / length];
  const [first, last] = [rim(from), length - (to ? rim(to) + 1 : 0)];
  // the label of a wire from the right lies lower than that of its neighbour from the left
  const share = dx === 0 ? 0.5 : from.operation ? 0.4 : dx > 0 ? 0.3 : 0.55;
  const label = at(first + (last - first) * share);
  return { start: at(first), stop: at(last), label, gap: 6 + 7 * Math.min(Math.abs(dx / dy), 1.6) };
}

function render({ model, el }) {
  const choice = menu(Object.entries(CIRCUITS).map(([name, { title }]) => [name, title]));
  const fields = html("div", { class: "fields", role: "group", "aria-label": "Inputs, from −10 to 10" });
  const first = button("«", { "aria-label": "First step" });
  const back = button("‹", { "aria-label": "Previous step" });
  const next = button("›", { "aria-label": "Next step" });
  const progress = html("input", { type: "range", min: 0, step: 1, "aria-label": "Step" });
  const controls = html("div", { class: "controls" }, first, back, next, progress);
  const sentence = html("p", { class: "sentence", "aria-live": "polite" });
  const legend = html("p", { class: "legend" },
    html("span", { class: "value" }, "left of a wire: value"), " · ",
    html("span", { class: "adjoint" }, "right of it: adjoint, in italics"));
  const picture = html("div", { class: "picture" });
  const side = html("div", { class: "side" }, html("label", {}, "Circuit ", choice), fields, controls, sentence, legend);
  const root = group("graph", "Backpropagation, edge by edge");
  root.append(picture, side);
  el.append(root);

  let walk = null;

  function nodes() {
    return CIRCUITS[model.get("circuit")].nodes;
  }

  function choose() {
    const circuit = model.get("circuit");
    choice.value = circuit;
    fields.replaceChildren(...nodes().filter((node) => !node.operation).map(field));
    compute();
  }

  function field(node) {
    const box = html("input", {
      type: "number", name: node.name, min: -LIMIT, max: LIMIT, step: "any", value: model.get("inputs")[node.name],
    });
    box.addEventListener("input", () => {
      const value = box.valueAsNumber;
      const fits = Number.isFinite(value) && Math.abs(value) <= LIMIT;
      box.setAttribute("aria-invalid", !fits);
      if (fits) return save(model, { inputs: { ...model.get("inputs"), [node.name]: value } });
      sentence.textContent = `${node.label} has to be a number from −${LIMIT} to ${LIMIT}; the picture still shows the last that was.`;
    });
    return html("label", {}, `${node.label} = `, box);
  }

  function compute() {
    walk = steps(model.get("circuit"), model.get("inputs"));
    progress.max = walk.list.length - 1;
    show();
  }

  function go(step) {
    save(model, { step: within(step, 0, walk.list.length - 1) });
  }

  function current() {
    return Math.min(model.get("step"), walk.list.length - 1);
  }

  function show() {
    const index = current();
    const state = walk.list[index];
    sentence.textContent = `Step ${index} of ${walk.list.length - 1}. ${state.text}`;
    progress.value = index;
    progress.setAttribute("aria-valuetext", `Step ${index} of ${walk.list.length - 1}`);
    // aria-disabled rather than disabled: a disabled button would drop the keyboard's focus
    for (const button of [first, back]) button.setAttribute("aria-disabled", index === 0);
    next.setAttribute("aria-disabled", index === walk.list.length - 1);
    draw(state);
  }

  function draw(state) {
    const { title, height } = CIRCUITS[model.get("circuit")];
    const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": describe(title, state) });
    const byName = Object.fromEntries(nodes().map((node) => [node.name, node]));
    const passed = walk.edges.slice(0, state.passed);
    const latest = passed.at(-1);
    for (const node of nodes()) {
      node.from.forEach((name, slot) => {
        const part = passed.find((edge) => edge.to === node.name && edge.slot === slot);
        const active = part ? part === latest && state.active.length > 0 : state.active[0] === node.name && !state.started;
        drawWire(root, wire(byName[name], node), {
          value: state.known.includes(name) ? walk.values[name] : null,
          adjoint: part ? part.part : null,
          way: active ? (part ? "backward" : "forward") : "",
        });
      });
    }
    const output = nodes().at(-1);
    drawWire(root, wire(output, null, [output.at[0], output.at[1] + 70]), {
      value: state.known.includes(output.name) ? walk.values[output.name] : null,
      adjoint: state.started ? 1 : null,
      way: state.started && state.passed === 0 ? "backward" : "",
    });
    for (const node of nodes()) drawNode(root, node, state, passed);
    picture.replaceChildren(root);
  }

  function drawWire(root, { start, stop, label, gap }, { value, adjoint, way }) {
    const [a, b] = [start, stop];
    root.append(svg("line", { class: `wire ${way}`, x1: a[0], y1: a[1], x2: b[0], y2: b[1] }));
    const angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    const tip = way === "backward" ? a : b;
    const turn = way === "backward" ? angle + Math.PI : angle;
    const corner = (by) => [tip[0] - 8 * Math.cos(turn + by), tip[1] - 8 * Math.sin(turn + by)];
    root.append(svg("polygon", { class: `tip ${way}`, points: [tip, corner(0.45), corner(-0.45)].join(" ") }));
    const [x, y] = [label[0], label[1] + 5];
    if (value !== null) root.append(svg("text", { class: "value", x: x - gap, y, "text-anchor": "end" }, short(value)));
    if (adjoint !== null) root.append(svg("text", { class: "adjoint", x: x + gap, y }, short(adjoint)));
  }

  function drawNode(root, node, state, passed) {
    const [x, y] = node.at;
    const { rx, ry } = shape(node);
    const active = state.active.includes(node.name) ? " active" : "";
    if (!node.operation) {
      root.append(svg("rect", { class: `input${active}`, x: x - rx, y: y - ry, width: 2 * rx, height: 2 * ry, rx: 4 }));
      root.append(svg("text", { class: "name", x, y: y + 5, "text-anchor": "middle" }, node.label));
      const found = passed.filter((edge) => edge.from === node.name);
      if (found.length > 1) {
        root.append(svg("text", { class: "adjoint", x: x - rx - 6, y: y + 5, "text-anchor": "end" }, `sum ${short(found.at(-1).total)}`));
      }
      return;
    }
    root.append(svg("ellipse", { class: `gate${active}`, cx: x, cy: y, rx, ry }));
    root.append(svg("text", { class: "operation", x, y: y + 5, "text-anchor": "middle" }, OPERATIONS[node.operation].symbol));
    root.append(svg("text", { class: "name", x: x - rx - 5, y: y + 5, "text-anchor": "end" }, node.label));
  }

  function describe(title, state) {
    const passed = walk.edges.slice(0, state.passed);
    const values = state.known.map((name) => `${name} = ${short(walk.values[name])}`);
    const found = {};
    if (state.started) found[nodes().at(-1).name] = 1;
    for (const edge of passed) found[edge.from] = edge.total;
    const adjoints = Object.entries(found).map(([name, value]) => `${name}: ${short(value)}`);
    return `Graph of ${title}. Values: ${values.join(", ")}. Adjoints: ${adjoints.join(", ") || "none yet"}.`;
  }

  first.addEventListener("click", () => go(0));
  back.addEventListener("click", () => go(current() - 1));
  next.addEventListener("click", () => go(current() + 1));
  progress.addEventListener("input", () => go(Number(progress.value)));
  choice.addEventListener("change", () => {
    const circuit = choice.value;
    const given = CIRCUITS[circuit].nodes.filter((node) => !node.operation);
    // the step first: a step of the old circuit may lie beyond the end of the new one
    save(model, { step: 0 });
    save(model, { inputs: Object.fromEntries(given.map((node) => [node.name, node.value])), circuit });
  });
  stepByKeys(controls, (by) => go(current() + by));

  function changedInputs() {
    const given = nodes().filter((node) => !node.operation);
    if (!given.every((node) => node.name in model.get("inputs"))) return; // the circuit follows
    for (const node of given) {
      const box = fields.querySelector(`[name="${node.name}"]`);
      const value = model.get("inputs")[node.name];
      if (box && box.valueAsNumber !== value) box.value = value; // set from elsewhere
    }
    compute();
  }

  const unlisten = listen(model, [["circuit", choose], ["inputs", changedInputs], ["step", show]]);
  choose();
  return unlisten;
}

export default { render };

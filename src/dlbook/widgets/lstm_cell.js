// One LSTM unit over a short sequence: the mathematics first (tested against PyTorch), then the page.

export const TASKS = {
  first: { title: "Remember the first bit", sequence: "100.01.0?..?", erase: 0 },
  latest: { title: "Remember the latest bit", sequence: "1..0...1.?.?", erase: -6 },
  count: { title: "More ones or more zeros?", sequence: "11.0.1?00.1?", erase: 0 },
};
export const LONGEST = 24;

const sigmoid = (z) => 1 / (1 + Math.exp(-z));

// What the cell sees of each symbol: a value, a mark, and whether it is asked.
export function inputs(task, sequence) {
  let seen = 0;
  return [...sequence].map((symbol) => {
    const bit = symbol === "1" || symbol === "0";
    if (bit) seen += 1;
    const mark = bit && (task !== "first" || seen === 1);
    return { value: bit ? (symbol === "1" ? 1 : -1) : 0, mark: Number(mark), ask: Number(symbol === "?") };
  });
}

// The right answer at each question: 1, −1, or 0 where there is none.
export function answers(task, sequence) {
  const bits = [];
  return [...sequence].map((symbol) => {
    if (symbol === "1" || symbol === "0") bits.push(symbol === "1" ? 1 : -1);
    if (symbol !== "?" || !bits.length) return 0;
    if (task === "count") return Math.sign(bits.reduce((sum, bit) => sum + bit, 0));
    return task === "first" ? bits[0] : bits.at(-1);
  });
}

// Gates, state and output at each step; `direct` is the product of the forget gates so far, and
// `slope` the whole derivative of c with respect to the first state, by way of h and the gates too.
export function run({ task, sequence, input_bias, forget_bias, output_bias, recurrent }) {
  let [c, h, direct, slope, slopeH] = [0, 0, 1, 1, 0];
  return inputs(task, sequence).map(({ value, mark, ask }) => {
    const i = sigmoid(6 * mark + input_bias + recurrent * h);
    const f = sigmoid(TASKS[task].erase * mark + forget_bias + recurrent * h);
    const o = sigmoid(6 * ask + output_bias + recurrent * h);
    const g = Math.tanh(2 * value);
    const gate = (s) => s * (1 - s) * recurrent * slopeH; // how the gate moves with the first state
    const moved = gate(f) * c + f * slope + gate(i) * g;
    c = f * c + i * g;
    const squashed = Math.tanh(c);
    slopeH = gate(o) * squashed + o * (1 - squashed * squashed) * moved;
    h = o * squashed;
    direct *= f;
    slope = moved;
    return { i, f, o, g, c, h, direct, slope };
  });
}

// What the typed text leaves: the symbols that the cell knows, at most LONGEST of them.
export function clean(text) {
  return [...text].filter((symbol) => "10.?".includes(symbol)).slice(0, LONGEST).join("");
}

const WIDTH = 460;
const LEFT = 98;
const RIGHT = 6;
const ROWS = [
  { name: "input gate i", key: "i", top: 34, height: 34 },
  { name: "forget gate f", key: "f", top: 80, height: 34 },
  { name: "output gate o", key: "o", top: 126, height: 34 },
];
const STATE = { top: 176, height: 100 };
const SLOPE = { top: 294, height: 70 };
const HEIGHT = 386;
const DECADES = 4; // of the gradient's axis

function number(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function small(value) {
  const size = Math.abs(value);
  return size > 0 && size < 0.01 ? value.toExponential(1).replaceAll("-", "−") : number(value);
}

function render({ model, el }) {
  const names = ["task", "sequence", "input_bias", "forget_bias", "output_bias", "recurrent"];
  const choice = menu(Object.entries(TASKS).map(([name, { title }]) => [name, title]));
  const typed = html("input", {
    type: "text", maxlength: LONGEST, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
  });
  const reset = button("Reset");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const sliderOf = (title, name, most) => slider(title, { min: -most, max: most, step: 0.25 }, {
    get: () => model.get(name),
    set: (value) => save(model, { [name]: value }),
    say: () => number(model.get(name)),
  });
  const sliders = [
    sliderOf("Input gate: bias", "input_bias", 6),
    sliderOf("Forget gate: bias", "forget_bias", 6),
    sliderOf("Output gate: bias", "output_bias", 6),
    sliderOf("Weight from h to the gates", "recurrent", 4),
  ];
  const spoken = readout();
  const root = group("cell", "A memory cell");
  root.append(
    html("div", { class: "controls" },
      html("label", {}, "Task", choice),
      html("label", {}, "Sequence of 1, 0, . (nothing) and ? (asked)", typed),
      reset),
    picture,
    html("div", { class: "controls" }, ...sliders.map(({ label }) => label)),
    spoken,
  );
  el.append(root);

  function frame({ top, height }, title, marks) {
    picture.append(
      svg("rect", { class: "frame", x: LEFT, y: top, width: WIDTH - LEFT - RIGHT, height }),
    );
    [title].flat().forEach((text, k, all) => {
      const y = top + height / 2 + 4 + 17 * (k - (all.length - 1) / 2);
      picture.append(svg("text", { x: 0, y }, text));
    });
    for (const [y, text] of marks) {
      picture.append(svg("text", { class: "tick", x: LEFT - 5, y: y + 4, "text-anchor": "end" }, text));
    }
  }

  function draw() {
    const steps = run(read(model, names));
    const sequence = model.get("sequence");
    const right = answers(model.get("task"), sequence);
    const wide = (WIDTH - LEFT - RIGHT) / Math.max(steps.length, 8);
    const middle = (t) => LEFT + (t + 0.5) * wide;
    picture.replaceChildren(svg("text", { x: 0, y: 16 }, "input"));
    inputs(model.get("task"), sequence).forEach(({ mark }, t) => {
      const shown = { class: mark ? "symbol marked" : "symbol", x: middle(t), y: 17, "text-anchor": "middle" };
      picture.append(svg("text", shown, sequence[t] === "." ? "·" : sequence[t]));
      if (mark) picture.append(svg("path", { class: "mark", d: `M${middle(t) - 7} 23h14` }));
    });
    for (const row of ROWS) {
      frame(row, row.name, []);
      steps.forEach((step, t) => {
        const tall = step[row.key] * row.height;
        picture.append(svg("rect", {
          class: `bar ${row.key}`, x: middle(t) - 0.35 * wide, y: row.top + row.height - tall,
          width: 0.7 * wide, height: tall,
        }));
      });
    }
    const reach = Math.max(1, ...steps.map(({ c }) => Math.abs(c))) * 1.1;
    const level = (value) => STATE.top + (STATE.height * (reach - value)) / (2 * reach);
    frame(STATE, ["state c ●", "output h ■"], [[level(1), "1"], [level(0), "0"], [level(-1), "−1"]]);
    picture.append(svg("path", { class: "zero", d: `M${LEFT} ${level(0)}H${WIDTH - RIGHT}` }));
    line("state", steps.map(({ c }, t) => [middle(t), level(c)]), "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z");
    line("output", steps.map(({ h }, t) => [middle(t), level(h)]), "M-3.5-3.5h7v7h-7z");
    right.forEach((answer, t) => {
      if (!answer) return;
      const correct = Math.sign(steps[t].h) === answer && Math.abs(steps[t].h) > 0.1;
      picture.append(svg("text", { x: middle(t), y: STATE.top + 13, "text-anchor": "middle" }, correct ? "✓" : "✗"));
    });
    const deep = (value) => {
      const power = value === 0 ? -DECADES : Math.log10(Math.abs(value));
      return SLOPE.top + 6 + ((SLOPE.height - 12) * Math.min(Math.max(-power, -0.3), DECADES)) / DECADES;
    };
    frame(SLOPE, ["∂c/∂c₀ ▲", "∏ f ⋯"], [[deep(1), "1"], [deep(0.01), "10⁻²"], [deep(1e-4), "10⁻⁴"]]);
    line("direct", steps.map(({ direct }, t) => [middle(t), deep(direct)]), "");
    line("slope", steps.map(({ slope }, t) => [middle(t), deep(slope)]), "M0-4.5L4 3H-4z");
    picture.append(svg("text", { x: LEFT + (WIDTH - LEFT - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "step"));
    say(steps, right);
  }

  function line(kind, points, marker) {
    const placed = points.map((point) => point.map((p) => p.toFixed(1)));
    const markers = marker ? placed : [];
    picture.append(svg("g", { class: kind },
      svg("polyline", { class: "path", points: placed.join(" ") }),
      ...markers.map(([x, y]) => svg("path", { class: "marker", d: marker, transform: `translate(${x} ${y})` }))));
  }

  function say(steps, right) {
    for (const { show } of sliders) show();
    choice.value = model.get("task");
    if (clean(typed.value) !== model.get("sequence")) typed.value = model.get("sequence");
    const last = steps.at(-1);
    const told = right.flatMap((answer, t) => {
      if (!answer) return [];
      const { h } = steps[t];
      const given = Math.abs(h) <= 0.1 ? "nothing" : h > 0 ? "1" : "0";
      const correct = given === (answer > 0 ? "1" : "0");
      return [`asked at step ${t + 1}, it says ${given} (h = ${number(h)}), ${correct ? "right" : "wrong"}`];
    });
    const n = steps.length;
    const state = `After ${n} step${n === 1 ? "" : "s"}: c = ${number(last.c)}, h = ${number(last.h)}`;
    const whole = Math.abs(last.slope - last.direct) < 1e-12 ? "" : `, the whole derivative ${small(last.slope)}`;
    const gradient = `Product of the forget gates ${small(last.direct)}${whole}.`;
    spoken.textContent = `${[state, ...told].join("; ")}. ${gradient}`;
    picture.setAttribute("aria-label",
      `Gates, state and gradient of the cell over ${n} steps. ${state}. ${gradient}`);
  }

  choice.addEventListener("change", () => save(model, { task: choice.value, sequence: TASKS[choice.value].sequence }));
  typed.addEventListener("input", () => {
    const sequence = clean(typed.value);
    if (sequence) save(model, { sequence });
  });
  typed.addEventListener("blur", () => { typed.value = model.get("sequence"); });
  reset.addEventListener("click", () => save(model, {
    sequence: TASKS[model.get("task")].sequence,
    input_bias: -3, forget_bias: 3, output_bias: -3, recurrent: 0,
  }));
  const unlisten = listen(model, names.map((name) => [name, draw]));
  draw();
  return unlisten;
}

export default { render };

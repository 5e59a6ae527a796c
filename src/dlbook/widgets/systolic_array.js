// A systolic array: the arithmetic first (tested against NumPy), then the page.

// What enters lane r of n at cycle t: its entry t − r, or nothing. Lane r starts r cycles late.
export function entering(queue, r, t) {
  return t - r >= 0 && t - r < queue.length ? queue[t - r] : null;
}

// Everything that happens: frame 0 is the empty array, frame t the array after t cycles.
// In each cycle operands move one cell on, then every cell that holds two multiplies and adds.
export function simulate(a, b, n) {
  const square = (value) => Array.from({ length: n }, () => Array(n).fill(value));
  const rows = a.slice(0, n).map((row) => row.slice(0, n));
  const columns = rows.map((_, j) => b.slice(0, n).map((row) => row[j]));
  const frames = [{ a: square(null), b: square(null), sums: square(0), working: square(false) }];
  for (let made = 0; made < n ** 3;) {
    const [t, last] = [frames.length - 1, frames.at(-1)];
    const next = { a: square(null), b: square(null), sums: square(0), working: square(false) };
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < n; j += 1) {
        const left = j ? last.a[i][j - 1] : entering(rows[i], i, t);
        const above = i ? last.b[i - 1][j] : entering(columns[j], j, t);
        const working = left !== null && above !== null;
        next.a[i][j] = left;
        next.b[i][j] = above;
        next.working[i][j] = working;
        next.sums[i][j] = last.sums[i][j] + (working ? left * above : 0);
        made += working;
      }
    }
    frames.push(next);
  }
  return frames;
}

// Where an operand is after t cycles, in cells from the array's edge: number p of lane r. It waits
// at −1 and below, is in the array from 0 to n − 1, and has left it from n on.
export function position(p, r, t) {
  return t - 1 - p - r;
}

const CELL = 40;
const PAD = 4;

// The outline of an operand: round if it comes from A, square if from B.
function shape(name) {
  return name === "a" ? svg("circle", { r: 8.5 }) : svg("rect", { x: -8, y: -8, width: 16, height: 16, rx: 2 });
}

function render({ model, el }) {
  const picture = svg("svg", { role: "img" });
  const key = [["a", "entry of A, moving right"], ["b", "entry of B, moving down"]].flatMap(([name, text]) => [
    svg("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" }, svg("g", { class: name }, shape(name))),
    html("span", {}, text),
  ]);
  const [back, next, play, reset] = [button("Back"), button("Step"), button("Run"), button("Reset")];
  const choice = menu(model.get("a").map((_, i) => [i + 1, `${i + 1} × ${i + 1}`]));
  const cycles = html("input", { type: "range", min: 0, step: 1, "aria-label": "Cycle" });
  const controls = html("div", { class: "controls" }, back, next, play, reset, html("label", {}, "Cells", choice), cycles);
  const spoken = readout();
  const root = group("systolic", "Systolic array");
  root.append(picture, html("p", { class: "key" }, ...key), controls, spoken);
  el.append(root);

  let frames = [];
  let cells = [];
  let operands = [];

  function build() {
    const n = model.get("n");
    frames = simulate(model.get("a"), model.get("b"), n);
    const origin = (2 * n - 1) * CELL + PAD;
    const side = origin + n * CELL + PAD;
    picture.setAttribute("viewBox", `0 0 ${side} ${side}`);
    picture.style.maxWidth = `${side}px`;
    picture.replaceChildren();
    cells = Array.from({ length: n * n }, (_, k) => {
      const [x, y] = [origin + (k % n) * CELL, origin + Math.floor(k / n) * CELL];
      const sum = svg("text", { x: CELL / 2, y: CELL - 5, "text-anchor": "middle" });
      const frame = svg("rect", { width: CELL, height: CELL });
      const cell = svg("g", { class: "cell", transform: `translate(${x} ${y})` }, frame, sum);
      picture.append(cell);
      return { cell, sum };
    });
    operands = [];
    for (const name of ["a", "b"]) {
      for (let r = 0; r < n; r += 1) {
        for (let p = 0; p < n; p += 1) {
          const value = name === "a" ? model.get("a")[r][p] : model.get("b")[p][r];
          const text = svg("text", { y: 4.5, "text-anchor": "middle" }, signed(value));
          const operand = svg("g", { class: `operand ${name}` }, shape(name), text);
          picture.append(operand);
          const place = (t) => {
            const along = origin + position(p, r, t) * CELL;
            const lane = origin + r * CELL;
            operand.style.transform = name === "a"
              ? `translate(${along + 10}px, ${lane + 11}px)`
              : `translate(${lane + CELL - 11}px, ${along + 11}px)`;
            operand.style.opacity = position(p, r, t) < n ? 1 : 0;
          };
          operands.push(place);
        }
      }
    }
    cycles.max = frames.length - 1;
    show();
  }

  function show() {
    const n = model.get("n");
    const last = frames.length - 1;
    const t = Math.min(model.get("cycle"), last);
    const { sums, working } = frames[t];
    cells.forEach(({ cell, sum }, k) => {
      cell.classList.toggle("working", working[Math.floor(k / n)][k % n]);
      sum.textContent = signed(sums[Math.floor(k / n)][k % n]);
    });
    for (const place of operands) place(t);
    const busy = working.flat().filter(Boolean).length;
    const made = frames.slice(0, t + 1).reduce((total, frame) => total + frame.working.flat().filter(Boolean).length, 0);
    const rows = sums.map((row) => row.map(signed).join(" ")).join("; ");
    picture.setAttribute("aria-label", `Sums, row by row: ${rows}`);
    const progress = `${made} of ${n ** 3} products made`;
    spoken.textContent = t === 0
      ? `No cycle yet: the rows of A and the columns of B wait, each one cycle later than the one before.`
      : `Cycle ${t} of ${last}: ${busy} of ${n * n} cells at work, ${progress}.${t === last ? " The cells hold AB." : ""}`;
    cycles.value = t;
    cycles.setAttribute("aria-valuetext", `${t} of ${last}`);
    choice.value = n;
    // aria-disabled rather than disabled: a disabled button would drop the keyboard's focus
    back.setAttribute("aria-disabled", t === 0);
    next.setAttribute("aria-disabled", t === last);
  }

  function go(t) {
    save(model, { cycle: within(t, 0, frames.length - 1) });
  }

  function step(by) {
    stop();
    go(model.get("cycle") + by);
  }

  const finished = () => model.get("cycle") >= frames.length - 1;
  const stop = runner(play, spoken, {
    interval: 900,
    begin: () => finished() && go(0),
    step: () => go(model.get("cycle") + 1),
    finished,
    draw: () => {}, // each step is shown when the model changes
  });
  back.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  reset.addEventListener("click", () => step(-model.get("cycle")));
  cycles.addEventListener("input", () => step(Number(cycles.value) - model.get("cycle")));
  choice.addEventListener("change", () => {
    const n = Number(choice.value); // before anything is shown, which sets the list
    step(-model.get("cycle"));
    save(model, { n });
  });
  stepByKeys(controls, step);

  const unlisten = listen(model, [["a", build], ["b", build], ["n", build], ["cycle", show]]);
  build();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

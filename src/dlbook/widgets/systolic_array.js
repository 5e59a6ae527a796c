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

function signed(number) {
  return String(number).replace("-", "−");
}

function render({ model, el }) {
  const root = html("div", { class: "dlbook-systolic", role: "group", "aria-label": "Systolic array" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const picture = svg("svg", { role: "img" });
  const key = html("p", { class: "dlbook-systolic-key" });
  for (const [name, text] of [["a", "entry of A, moving right"], ["b", "entry of B, moving down"]]) {
    const sample = svg("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" });
    const group = svg("g", { class: name });
    group.append(shape(name));
    sample.append(group);
    key.append(sample, html("span", {}, text));
  }
  const controls = html("div", { class: "dlbook-systolic-controls" });
  const back = html("button", { type: "button" }, "Back");
  const next = html("button", { type: "button" }, "Step");
  const play = html("button", { type: "button" }, "Run");
  const reset = html("button", { type: "button" }, "Reset");
  const choice = html("select");
  for (let n = 1; n <= model.get("a").length; n += 1) choice.append(html("option", { value: n }, `${n} × ${n}`));
  const chooser = html("label", {}, "Cells");
  chooser.append(choice);
  const slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "Cycle" });
  controls.append(back, next, play, reset, chooser, slider);
  const readout = html("p", { class: "dlbook-systolic-readout", "aria-live": "polite" });
  root.append(picture, key, controls, readout);
  el.append(root);

  let frames = [];
  let cells = [];
  let operands = [];
  let timer = null;

  function shape(name) {
    return name === "a" ? svg("circle", { r: 8.5 }) : svg("rect", { x: -8, y: -8, width: 16, height: 16, rx: 2 });
  }

  function build() {
    const n = model.get("n");
    frames = simulate(model.get("a"), model.get("b"), n);
    const origin = (2 * n - 1) * CELL + PAD;
    const side = origin + n * CELL + PAD;
    picture.setAttribute("viewBox", `0 0 ${side} ${side}`);
    picture.style.maxWidth = `${side}px`;
    picture.replaceChildren();
    cells = Array.from({ length: n * n }, (_, k) => {
      const group = svg("g", { class: "cell", transform: `translate(${origin + (k % n) * CELL} ${origin + Math.floor(k / n) * CELL})` });
      const sum = svg("text", { x: CELL / 2, y: CELL - 5, "text-anchor": "middle" });
      group.append(svg("rect", { width: CELL, height: CELL }), sum);
      picture.append(group);
      return { group, sum };
    });
    operands = [];
    for (const name of ["a", "b"]) {
      for (let r = 0; r < n; r += 1) {
        for (let p = 0; p < n; p += 1) {
          const value = name === "a" ? model.get("a")[r][p] : model.get("b")[p][r];
          const group = svg("g", { class: `operand ${name}` });
          group.append(shape(name), svg("text", { y: 4.5, "text-anchor": "middle" }, signed(value)));
          picture.append(group);
          const place = (t) => {
            const along = origin + position(p, r, t) * CELL;
            const lane = origin + r * CELL;
            group.style.transform = name === "a"
              ? `translate(${along + 10}px, ${lane + 11}px)`
              : `translate(${lane + CELL - 11}px, ${along + 11}px)`;
            group.style.opacity = position(p, r, t) < n ? 1 : 0;
          };
          operands.push(place);
        }
      }
    }
    slider.max = frames.length - 1;
    show();
  }

  function show() {
    const n = model.get("n");
    const last = frames.length - 1;
    const t = Math.min(model.get("cycle"), last);
    const { sums, working } = frames[t];
    cells.forEach(({ group, sum }, k) => {
      group.classList.toggle("working", working[Math.floor(k / n)][k % n]);
      sum.textContent = signed(sums[Math.floor(k / n)][k % n]);
    });
    for (const place of operands) place(t);
    const busy = working.flat().filter(Boolean).length;
    const made = frames.slice(0, t + 1).reduce((total, frame) => total + frame.working.flat().filter(Boolean).length, 0);
    const rows = sums.map((row) => row.map(signed).join(" ")).join("; ");
    picture.setAttribute("aria-label", `Sums, row by row: ${rows}`);
    const progress = `${made} of ${n ** 3} products made`;
    readout.textContent = t === 0
      ? `No cycle yet: the rows of A and the columns of B wait, each one cycle later than the one before.`
      : `Cycle ${t} of ${last}: ${busy} of ${n * n} cells at work, ${progress}.${t === last ? " The cells hold AB." : ""}`;
    slider.value = t;
    slider.setAttribute("aria-valuetext", `${t} of ${last}`);
    choice.value = n;
    // aria-disabled rather than disabled: a disabled button would drop the keyboard's focus
    back.setAttribute("aria-disabled", t === 0);
    next.setAttribute("aria-disabled", t === last);
  }

  function go(t) {
    model.set("cycle", Math.min(Math.max(t, 0), frames.length - 1));
    model.save_changes();
  }

  function step(by) {
    stop();
    go(model.get("cycle") + by);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Run";
    readout.setAttribute("aria-live", "polite");
  }

  function run() {
    const last = frames.length - 1;
    if (model.get("cycle") >= last) go(0);
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return go(last);
    play.textContent = "Pause";
    readout.setAttribute("aria-live", "off"); // do not speak each cycle
    timer = setInterval(() => {
      go(model.get("cycle") + 1);
      if (model.get("cycle") >= last) stop();
    }, 900);
  }

  back.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  play.addEventListener("click", () => (timer === null ? run() : stop()));
  reset.addEventListener("click", () => step(-model.get("cycle")));
  slider.addEventListener("input", () => step(Number(slider.value) - model.get("cycle")));
  choice.addEventListener("change", () => {
    const n = Number(choice.value); // before anything is shown, which sets the list
    step(-model.get("cycle"));
    model.set("n", n);
    model.save_changes();
  });
  controls.addEventListener("keydown", (event) => {
    if (event.target.tagName !== "BUTTON") return; // the slider and the list know their keys
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // notebooks move between cells by arrow keys
    step(by);
  });

  const heard = { "change:a": build, "change:b": build, "change:n": build, "change:cycle": show };
  for (const [name, listener] of Object.entries(heard)) model.on(name, listener);
  build();
  return () => {
    stop();
    for (const [name, listener] of Object.entries(heard)) model.off(name, listener);
  };
}

export default { render };

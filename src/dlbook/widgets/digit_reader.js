// A digit, written by hand, on its way through LeNet-5: the mathematics first (tested against
// PyTorch), then the page.

// name, shape: the order in which the weights are stored.
export const SHAPES = [
  ["C1.weight", [6, 1, 5, 5]], ["C1.bias", [6]], ["S2.coefficient", [6]], ["S2.bias", [6]],
  ["C3.weight", [16, 6, 5, 5]], ["C3.bias", [16]], ["S4.coefficient", [16]], ["S4.bias", [16]],
  ["C5.weight", [120, 16, 2, 2]], ["C5.bias", [120]], ["F6.weight", [84, 120]], ["F6.bias", [84]],
  ["output.weight", [10, 84]], ["output.bias", [10]],
];

// A number of half precision from its 16 bits.
export function fromHalf(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction;
  return bits & 0x8000 ? -size : size;
}

export function unpack(text) {
  const bytes = atob(text);
  let at = 0;
  return Object.fromEntries(SHAPES.map(([name, shape]) => {
    const values = new Float64Array(shape.reduce((product, side) => product * side));
    for (let i = 0; i < values.length; i += 1, at += 2) {
      values[i] = fromHalf(bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8));
    }
    return [name, values];
  }));
}

// ---- From strokes to pixels ---------------------------------------------------------------------

const PEN = 5.5; // its width in the bitmap, for as much ink as the digits of the data set have
const WIDEST = 21; // columns that a digit may take; those of the data set are this narrow

// Strokes, lists of points [x, y], moved and scaled so that they fill the height of a field of 32.
export function fitted(strokes, side = 32, pen = PEN) {
  const points = strokes.flat();
  if (!points.length) return [];
  const span = (j) => [Math.min(...points.map((p) => p[j])), Math.max(...points.map((p) => p[j]))];
  const [[left, right], [top, bottom]] = [span(0), span(1)];
  const extent = Math.max(right - left, bottom - top);
  const scale = extent > 0 ? (side - pen) / extent : 1;
  const across = Math.min(scale, (WIDEST - pen) / (right - left || 1));
  const place = (value, low, high, by) => (value - (low + high) / 2) * by + side / 2;
  return strokes.map((stroke) => stroke.map(([x, y]) => [place(x, left, right, across), place(y, top, bottom, scale)]));
}

function distance([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

// A bitmap of side × side: 1 where the middle of a cell is under the pen.
export function bitmap(strokes, side = 32, pen = PEN) {
  const cells = new Uint8Array(side * side);
  for (const stroke of strokes) {
    stroke.forEach((end, i) => {
      const begin = stroke[Math.max(0, i - 1)];
      for (let row = 0; row < side; row += 1) {
        for (let column = 0; column < side; column += 1) {
          if (distance([column + 0.5, row + 0.5], begin, end) <= pen / 2) cells[row * side + column] = 1;
        }
      }
    });
  }
  return cells;
}

// 8×8 pixels from 0 to 1: shares of ink in blocks of 4×4.
export function counted(cells) {
  return Float64Array.from({ length: 64 }, (_, i) => {
    const [row, column] = [4 * Math.floor(i / 8), 4 * (i % 8)];
    let ink = 0;
    for (let k = 0; k < 16; k += 1) ink += cells[(row + (k >> 2)) * 32 + column + (k & 3)];
    return ink / 16;
  });
}

// ---- LeNet --------------------------------------------------------------------------------------

function squash(a) {
  return 1.7159 * Math.tanh((2 / 3) * a);
}

// Twice as large, bilinear between the middles of pixels; what lies beyond the edge equals the edge.
export function enlarged(pixels, side) {
  const made = new Float64Array(4 * side * side);
  const near = (i) => {
    const at = Math.max(0, i / 2 - 0.25);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, side - 1), at - low];
  };
  for (let i = 0; i < 2 * side; i += 1) {
    const [top, bottom, down] = near(i);
    for (let j = 0; j < 2 * side; j += 1) {
      const [left, right, across] = near(j);
      const row = (r) => (1 - across) * pixels[r * side + left] + across * pixels[r * side + right];
      made[i * 2 * side + j] = (1 - down) * row(top) + down * row(bottom);
    }
  }
  return made;
}

function padded(values, side, margin, fill) {
  const wide = side + 2 * margin;
  const made = new Float64Array(wide * wide).fill(fill);
  for (let i = 0; i < side; i += 1) {
    for (let j = 0; j < side; j += 1) made[(i + margin) * wide + j + margin] = values[i * side + j];
  }
  return made;
}

// Maps (maps × side × side) under kernels (outputs × maps × k × k), squashed.
function convolved(maps, inputs, side, weight, bias, k) {
  const reach = side - k + 1;
  const made = new Float64Array(bias.length * reach * reach);
  for (let o = 0; o < bias.length; o += 1) {
    for (let i = 0; i < reach; i += 1) {
      for (let j = 0; j < reach; j += 1) {
        let sum = bias[o];
        for (let m = 0; m < inputs; m += 1) {
          for (let u = 0; u < k; u += 1) {
            for (let v = 0; v < k; v += 1) {
              sum += weight[((o * inputs + m) * k + u) * k + v] * maps[(m * side + i + u) * side + j + v];
            }
          }
        }
        made[(o * reach + i) * reach + j] = squash(sum);
      }
    }
  }
  return made;
}

function subsampled(maps, side, coefficient, bias) {
  const half = side / 2;
  return Float64Array.from({ length: bias.length * half * half }, (_, at) => {
    const [m, i, j] = [Math.floor(at / (half * half)), Math.floor(at / half) % half, at % half];
    const corner = (m * side + 2 * i) * side + 2 * j;
    const sum = maps[corner] + maps[corner + 1] + maps[corner + side] + maps[corner + side + 1];
    return squash(coefficient[m] * sum + bias[m]);
  });
}

function connected(x, weight, bias) {
  return Float64Array.from(bias, (b, o) => {
    let sum = b;
    for (let i = 0; i < x.length; i += 1) sum += weight[o * x.length + i] * x[i];
    return sum;
  });
}

export function softmax(scores) {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// All layers for 8×8 pixels from 0 to 1.
export function forward(w, pixels) {
  const scaled = pixels.map((pixel) => 1.275 * pixel - 0.1);
  const input = padded(enlarged(scaled, 8), 16, 2, -0.1);
  const C1 = convolved(input, 1, 20, w["C1.weight"], w["C1.bias"], 5);
  const S2 = subsampled(C1, 16, w["S2.coefficient"], w["S2.bias"]);
  const C3 = convolved(S2, 6, 8, w["C3.weight"], w["C3.bias"], 5);
  const S4 = subsampled(C3, 4, w["S4.coefficient"], w["S4.bias"]);
  const C5 = convolved(S4, 16, 2, w["C5.weight"], w["C5.bias"], 2);
  const F6 = connected(C5, w["F6.weight"], w["F6.bias"]).map(squash);
  const scores = connected(F6, w["output.weight"], w["output.bias"]);
  return { input, C1, S2, C3, S4, C5, F6, scores, probabilities: softmax(scores) };
}

// ---- The page -----------------------------------------------------------------------------------

const FIELD = 100; // units of the field to write in
const STEP = 5; // of an arrow key
const COLOURS = [[148, 88, 165], [0, 138, 80]]; // purple below zero, green above
// layer: number of maps, side of a map, maps in a row of the drawing
const DRAWN = [["C1", 6, 16, 6], ["S2", 6, 8, 6], ["C3", 16, 4, 8], ["S4", 16, 2, 8], ["C5", 120, 1, 120], ["F6", 84, 1, 84]];
// a 2, to begin with
const EXAMPLE = [[[30, 30], [33, 23], [40, 17], [48, 14], [55, 15], [62, 19], [66, 26], [65, 38], [58, 50], [30, 82], [70, 82]]];

function canvas(width, height) {
  return html("canvas", { width, height, "aria-hidden": "true" });
}

// Ink in the page's own colour.
function ink(target, values) {
  const context = target.getContext("2d");
  const colour = getComputedStyle(target).color;
  const side = target.width;
  context.clearRect(0, 0, side, side);
  context.fillStyle = colour;
  values.forEach((value, i) => {
    context.globalAlpha = value;
    context.fillRect(i % side, Math.floor(i / side), 1, 1);
  });
}

function percent(share) {
  return share >= 0.9995 ? "100 %" : `${(100 * share).toFixed(1)} %`;
}

function render({ model, el }) {
  let weights = unpack(model.get("weights"));
  let strokes = structuredClone(EXAMPLE);
  let pen = [50, 50];
  let down = false; // the pen of the keyboard

  const lines = svg("g");
  const tip = svg("circle", { class: "tip", r: 4 });
  const field = svg("svg", {
    class: "field", viewBox: `0 0 ${FIELD} ${FIELD}`, tabindex: "0", role: "application",
    "aria-label": "Field to write in. Arrow keys move the pen, space puts it down or lifts it, Backspace takes back a stroke, Delete clears.",
  }, lines, tip);
  const small = canvas(8, 8);
  const rows = Array.from({ length: 10 }, () => ({ bar: html("span", { class: "bar" }), value: html("span", { class: "value" }) }));
  const bars = rows.flatMap(({ bar, value }, digit) =>
    [html("span", {}, String(digit)), html("span", { class: "track" }, bar), value]);
  const [back, clear] = [button("Take back"), button("Clear")];
  const hint = html("span", {}, "Write with pointer or finger; or arrow keys, space for pen down and up.");
  const pictures = DRAWN.map(([, n, side]) =>
    (side > 1 ? Array.from({ length: n }, () => canvas(side, side)) : [canvas(n, 1)]));
  const layers = DRAWN.map(([name, , side, across], l) => {
    const maps = html("div", { class: "maps" }, ...pictures[l]);
    maps.style.setProperty("--across", String(side > 1 ? across : 1));
    return html("div", { class: `layer ${name}` }, html("span", {}, name), maps);
  });
  const spoken = readout();
  const root = group("digit", "Write a digit for LeNet");
  root.append(
    html("div", { class: "dlbook-digit-top" },
      field,
      html("figure", {}, small, html("figcaption", {}, "8×8 pixels")),
      html("div", { class: "bars", "aria-hidden": "true" }, ...bars)),
    html("div", { class: "dlbook-digit-buttons" }, back, clear, hint),
    html("div", { class: "dlbook-digit-layers", "aria-hidden": "true" }, ...layers),
    spoken,
  );
  el.append(root);

  function draw(prefix = "") {
    lines.replaceChildren(...strokes.map((stroke) => {
      const [first, ...others] = stroke.length > 1 ? stroke : [stroke[0], stroke[0]];
      return svg("path", { d: `M${first.join(" ")}${others.map((point) => `L${point.join(" ")}`).join("")}` });
    }));
    tip.setAttribute("cx", pen[0]);
    tip.setAttribute("cy", pen[1]);
    tip.classList.toggle("down", down);
    const pixels = counted(bitmap(fitted(strokes)));
    const found = forward(weights, pixels);
    ink(small, pixels);
    DRAWN.forEach(([name, n, side], l) => {
      pictures[l].forEach((picture, k) => {
        const values = side > 1 ? found[name].slice(k * side * side, (k + 1) * side * side) : found[name];
        shade(picture, values, 1.7159, 255, COLOURS);
      });
    });
    const empty = !strokes.length;
    found.probabilities.forEach((share, digit) => {
      rows[digit].bar.style.width = empty ? "0" : `${100 * share}%`;
      rows[digit].value.textContent = empty ? "" : percent(share);
    });
    const order = Array.from(found.probabilities, (share, digit) => [share, digit]).sort((a, b) => b[0] - a[0]);
    const [[first, best], [second, next]] = order;
    spoken.textContent = prefix + (empty
      ? "Nothing is written yet."
      : `LeNet reads ${best} (${percent(first)}), then ${next} (${percent(second)}).`);
  }

  function at(event) {
    const box = field.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * FIELD,
      ((event.clientY - box.top) / box.height) * FIELD,
    ].map((value) => Number(within(value, 0, FIELD).toFixed(1)));
  }

  let writing = false;
  let untouched = true; // the example is cleared by the first stroke
  function begin(point) {
    if (untouched) strokes = [];
    untouched = false;
    strokes.push([point]);
  }
  field.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    field.focus({ preventScroll: true });
    field.setPointerCapture(event.pointerId);
    writing = true;
    down = false;
    pen = at(event);
    begin(pen);
    spoken.setAttribute("aria-live", "off"); // do not speak each movement
    draw();
  });
  field.addEventListener("pointermove", (event) => {
    if (!writing) return;
    const point = at(event);
    if (Math.hypot(point[0] - pen[0], point[1] - pen[1]) < 1) return;
    pen = point;
    strokes.at(-1).push(pen);
    draw();
  });
  function lift() {
    if (!writing) return;
    writing = false;
    spoken.setAttribute("aria-live", "polite");
    draw();
  }
  field.addEventListener("pointerup", lift);
  field.addEventListener("pointercancel", lift);

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  field.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (MOVES[event.key]) {
      const step = event.shiftKey ? 1 : STEP;
      pen = pen.map((value, j) => within(value + step * MOVES[event.key][j], 0, FIELD));
      if (down) strokes.at(-1).push(pen);
      draw(down ? "Pen down. " : `Pen up at ${Math.round(pen[0])}, ${Math.round(pen[1])}. `);
    } else if (event.key === " " || event.key === "Enter") {
      down = !down;
      if (down) begin(pen);
      draw(down ? "Pen down. " : "Pen up. ");
    } else if (event.key === "Backspace") {
      takeBack();
    } else if (event.key === "Delete") {
      wipe();
    } else {
      return;
    }
    event.preventDefault();
  });

  function takeBack() {
    strokes.pop();
    down = false;
    untouched = false;
    draw("Took back a stroke. ");
  }
  function wipe() {
    strokes = [];
    down = false;
    untouched = false;
    draw();
  }
  back.addEventListener("click", takeBack);
  clear.addEventListener("click", wipe);

  const unlisten = listen(model, [["weights", () => {
    weights = unpack(model.get("weights"));
    draw();
  }]]);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => requestAnimationFrame(() => draw());
  scheme.addEventListener("change", redraw);
  const watcher = new MutationObserver(redraw); // pages that keep their scheme in an attribute
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-mode", "class"] });
  draw();
  return () => {
    unlisten();
    scheme.removeEventListener("change", redraw);
    watcher.disconnect();
  };
}

export default { render };

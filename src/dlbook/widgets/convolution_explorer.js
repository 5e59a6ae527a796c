// A kernel slides over an image: the arithmetic first (tested against PyTorch), then the page.

// Number of outputs along a side of n pixels; none if the window does not fit.
export function outputSize(n, k, { stride, padding, dilation }) {
  const room = n + 2 * padding - dilation * (k - 1) - 1;
  return room < 0 ? 0 : Math.floor(room / stride) + 1;
}

// The products that output (row, column) sums up: a row of them for each row of the kernel.
export function products(image, kernel, row, column, { stride, padding, dilation }) {
  return kernel.map((weights, a) =>
    weights.map((weight, b) => {
      const u = stride * row + dilation * a - padding;
      const v = stride * column + dilation * b - padding;
      return { weight, u, v, value: image[u]?.[v] ?? 0, inFrame: image[u]?.[v] === undefined };
    }));
}

export function sumOf(terms) {
  return terms.flat().reduce((sum, { weight, value }) => sum + weight * value, 0);
}

export function correlate(image, kernel, settings) {
  const rows = outputSize(image.length, kernel.length, settings);
  const columns = outputSize(image[0].length, kernel.length, settings);
  return Array.from({ length: columns ? rows : 0 }, (_, i) =>
    Array.from({ length: columns }, (_, j) => sumOf(products(image, kernel, i, j, settings))));
}

// The kernel at another size about the same middle: with zeros around it, or without its rim.
export function resized(kernel, size) {
  const shift = (size - kernel.length) / 2;
  return Array.from({ length: size }, (_, a) =>
    Array.from({ length: size }, (_, b) => kernel[a - shift]?.[b - shift] ?? 0));
}

// To two decimals, without useless zeros, with a true minus.
export function short(value) {
  const text = String(Number(value.toFixed(2)));
  return (text === "-0" ? "0" : text).replace("-", "−");
}

// One line of the sum for each row of the kernel.
export function written(terms) {
  return terms.map((row) =>
    row.map(({ weight, value }) => {
      const factor = short(weight);
      return `${short(value)} · ${factor.startsWith("−") ? `(${factor})` : factor}`;
    }).join(" + "));
}

const OWN = "own weights";
const RANGES = { stride: [1, 3], padding: [0, 4], dilation: [1, 3] };
const SCALE = 10; // units of a drawing for a pixel
let explorers = 0; // a pattern needs a name of its own

function cell(row, column, attributes = {}) {
  return svg("rect", { x: column * SCALE, y: row * SCALE, width: SCALE, height: SCALE, ...attributes });
}

function render({ model, el }) {
  const unique = `dlbook-conv-${(explorers += 1)}`;
  const originals = structuredClone(model.get("images"));
  const presets = model.get("presets");
  const imageChoice = chooser(Object.keys(originals), (name) => {
    drawing.checked = Object.values(originals[name]).flat().every((value) => value === 0);
    save(model, { image: name });
  });
  const kernelChoice = chooser([...Object.keys(presets), OWN], (name) => {
    if (presets[name]) save(model, { kernel: presets[name][model.get("kernel").length] });
    else kernelCells.querySelector("input").focus();
  });
  const sizeChoice = menu([["3", "3 × 3"], ["5", "5 × 5"]]);
  sizeChoice.addEventListener("change", () => {
    const [size, preset] = [sizeChoice.value, presets[kernelChoice.value]];
    save(model, { kernel: preset ? preset[size] : resized(model.get("kernel"), Number(size)) });
  });
  const choices = Object.fromEntries(Object.entries(RANGES).map(([name, [low, high]]) => {
    const numbers = Array.from({ length: high - low + 1 }, (_, i) => String(low + i));
    return [name, chooser(numbers, (value) => save(model, { [name]: Number(value) }))];
  }));
  const drawing = html("input", { type: "checkbox" });
  const restore = button("Restore image");
  const input = panel("Image", "Pencil: arrow keys move it, space turns the pixel white or black", "pencil");
  const kernelCells = html("div", { class: "dlbook-conv-kernel", role: "group", "aria-label": "Weights of the kernel" });
  const kernelTitle = html("figcaption", {}, "Kernel");
  const output = panel("Output", "Window: arrow keys move it over the output", "window");
  input.root.prepend(svg("defs", {},
    svg("pattern", { id: unique, width: 4, height: 4, patternUnits: "userSpaceOnUse" },
      svg("path", { d: "M0 4L4 0", class: "hatch" }))));
  const sum = html("div", { class: "dlbook-conv-sum", role: "group", "aria-label": "The sum of products at the window" });
  const spoken = readout();
  const root = group("conv", "Convolution explorer");
  root.append(
    html("div", { class: "controls" },
      html("label", {}, "Image", imageChoice),
      html("label", {}, "Kernel", kernelChoice),
      html("label", {}, "Cells", sizeChoice),
      html("label", {}, "Stride", choices.stride),
      html("label", {}, "Padding", choices.padding),
      html("label", {}, "Dilation", choices.dilation),
      html("label", {}, drawing, "Draw with the pointer"),
      restore),
    html("div", { class: "dlbook-conv-panels" },
      input.figure, html("figure", {}, kernelTitle, kernelCells), output.figure),
    sum,
    spoken,
  );
  el.append(root);
  let pencil = [0, 0];

  function chooser(names, choose) {
    const choice = menu(names.map((name) => [name, name]));
    choice.addEventListener("change", () => choose(choice.value));
    return choice;
  }

  function panel(title, role, name) {
    const caption = html("figcaption", {}, title);
    const layer = svg("g", { "aria-hidden": "true" });
    const handle = svg("g", { class: `handle ${name}`, role: "slider", tabindex: 0, "aria-label": role, "aria-roledescription": "movable cell" });
    const drawn = svg("svg", { role: "group", "aria-label": title }, layer, handle);
    return { figure: html("figure", {}, caption, drawn), caption, root: drawn, layer, handle };
  }

  function settings() {
    return read(model, Object.keys(RANGES));
  }

  function pixels() {
    return model.get("images")[model.get("image")];
  }

  function placeIn(result) {
    const [i, j] = model.get("place");
    return [within(i, 0, result.length - 1), within(j, 0, (result[0]?.length ?? 1) - 1)];
  }

  function drawKernel() {
    const kernel = model.get("kernel");
    if (kernelCells.children.length !== kernel.length ** 2) {
      kernelCells.style.setProperty("--size", kernel.length);
      kernelCells.replaceChildren(...kernel.flatMap((row, a) => row.map((_, b) => weightCell(a, b))));
    }
    kernel.flat().forEach((weight, index) => {
      const field = kernelCells.children[index];
      if (field !== (root.getRootNode().activeElement ?? null) || Number(field.value) !== weight) {
        field.value = Number(weight.toFixed(4));
      }
      field.removeAttribute("aria-invalid");
    });
    const same = (name) => JSON.stringify(presets[name][kernel.length]) === JSON.stringify(kernel);
    kernelChoice.value = Object.keys(presets).find(same) ?? OWN;
    sizeChoice.value = String(kernel.length);
    kernelTitle.textContent = `Kernel, ${kernel.length} × ${kernel.length} weights`;
  }

  function weightCell(a, b) {
    const field = html("input", { type: "number", step: "0.5", "aria-label": `Weight in row ${a + 1}, column ${b + 1}` });
    field.addEventListener("input", () => {
      const weight = field.valueAsNumber;
      if (!Number.isFinite(weight)) return field.setAttribute("aria-invalid", "true");
      const kernel = model.get("kernel").map((row) => [...row]);
      kernel[a][b] = weight;
      save(model, { kernel });
    });
    field.addEventListener("blur", drawKernel); // what was not a number becomes the weight again
    field.addEventListener("keydown", (event) => event.stopPropagation()); // for the cell, not the notebook
    return field;
  }

  function draw() {
    imageChoice.value = model.get("image");
    for (const [name, menu] of Object.entries(choices)) menu.value = String(model.get(name));
    drawKernel();
    const [image, kernel, set] = [pixels(), model.get("kernel"), settings()];
    const result = correlate(image, kernel, set);
    const [height, width] = [image.length + 2 * set.padding, image[0].length + 2 * set.padding];
    const box = `-1 -1 ${width * SCALE + 2} ${height * SCALE + 2}`;
    input.root.setAttribute("viewBox", box);
    output.root.setAttribute("viewBox", box);
    const place = placeIn(result);
    drawInput(image, kernel, set, result.length ? place : null);
    drawOutput(result, place, [height, width]);
    say(image, kernel, set, result, place);
  }

  function drawInput(image, kernel, { padding, stride, dilation }, place) {
    const frame = [image.length + 2 * padding, image[0].length + 2 * padding];
    const parts = [svg("rect", { class: "frame", width: frame[1] * SCALE, height: frame[0] * SCALE, fill: `url(#${unique})` })];
    image.forEach((row, u) => row.forEach((value, v) => {
      const grey = Math.round(255 * value);
      parts.push(cell(u + padding, v + padding, { fill: `rgb(${grey},${grey},${grey})` }));
    }));
    if (place) {
      const taps = products(image, kernel, place[0], place[1], { padding, stride, dilation }).flat();
      for (const { u, v } of taps) parts.push(cell(u + padding, v + padding, { class: "tap" }));
      const side = (dilation * (kernel.length - 1) + 1) * SCALE;
      const corner = { x: stride * place[1] * SCALE, y: stride * place[0] * SCALE, width: side, height: side };
      parts.push(svg("rect", { ...corner, class: "window halo" }), svg("rect", { ...corner, class: "window" }));
    }
    input.layer.replaceChildren(...parts);
    pencil = [within(pencil[0], 0, image.length - 1), within(pencil[1], 0, image[0].length - 1)];
    const [u, v] = pencil;
    input.handle.replaceChildren(cell(u + padding, v + padding, { class: "halo" }), cell(u + padding, v + padding, { class: "ring" }));
    describe(input.handle, u, `row ${u + 1}, column ${v + 1}, brightness ${short(image[u][v])}`);
    input.root.setAttribute("class", drawing.checked ? "drawing" : "");
    input.caption.textContent = `Image, ${image.length} × ${image[0].length} pixels`;
  }

  function drawOutput(result, [i, j], frame) {
    const most = Math.max(...result.flat().map(Math.abs), 1e-12);
    const [top, left] = offset(result, frame);
    const parts = [];
    result.forEach((row, r) => row.forEach((value, c) => {
      const size = Math.abs(value) / most;
      parts.push(cell(r + top, c + left, { class: value < 0 ? "minus" : "plus", "fill-opacity": size.toFixed(3) }));
      if (value < 0 && size > 0.1) {
        const [x, y] = [(c + left + 0.3) * SCALE, (r + top + 0.5) * SCALE];
        parts.push(svg("path", { class: "sign", d: `M${x} ${y}h${0.4 * SCALE}` }));
      }
    }));
    output.layer.replaceChildren(...parts);
    output.handle.replaceChildren();
    const [rows, columns] = [result.length, result[0]?.length ?? 0];
    output.caption.textContent = rows ? `Output, ${rows} × ${columns}` : "Output: none";
    if (!rows) return describe(output.handle, 0, "there is no output");
    parts.push(svg("rect", { class: "border", x: left * SCALE, y: top * SCALE, width: columns * SCALE, height: rows * SCALE }));
    output.layer.append(parts.at(-1));
    output.handle.append(cell(i + top, j + left, { class: "halo" }), cell(i + top, j + left, { class: "ring" }));
    describe(output.handle, i, `row ${i + 1}, column ${j + 1}, ${short(result[i][j])}`);
  }

  function offset(result, [height, width]) {
    return [(height - result.length) / 2, (width - (result[0]?.length ?? 0)) / 2];
  }

  function describe(handle, now, text) {
    handle.setAttribute("aria-valuenow", now);
    handle.setAttribute("aria-valuetext", text);
  }

  function say(image, kernel, set, result, [i, j]) {
    if (!result.length) {
      const reach = set.dilation * (kernel.length - 1) + 1;
      sum.replaceChildren();
      spoken.textContent = `No output: the window reaches over ${reach} pixels and does not fit into the image with its frame.`;
      return;
    }
    const terms = products(image, kernel, i, j, set);
    const lines = written(terms).map((line, a) => html("div", {}, (a ? "+ " : "") + line));
    lines.push(html("div", { class: "total" }, `= ${short(result[i][j])}`));
    sum.replaceChildren(...lines);
    const all = result.flat();
    const size = `${result.length} × ${result[0].length}`;
    spoken.textContent = `Output in row ${i + 1}, column ${j + 1}: ${short(result[i][j])}. The output has ${size} numbers from ${short(Math.min(...all))} to ${short(Math.max(...all))}.`;
  }

  // A drawing's cell under the pointer, [row, column], in units of pixels.
  function under(event, drawn) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawn.getScreenCTM().inverse());
    return [Math.floor(at.y / SCALE), Math.floor(at.x / SCALE)];
  }

  function paint([u, v], value) {
    const image = pixels();
    if (image[u]?.[v] === undefined) return;
    pencil = [u, v];
    if (image[u][v] === value) return draw();
    const next = image.map((row) => [...row]);
    next[u][v] = value;
    save(model, { images: { ...model.get("images"), [model.get("image")]: next } });
  }

  function moveTo(i, j) {
    const result = correlate(pixels(), model.get("kernel"), settings());
    if (!result.length) return;
    save(model, { place: [within(i, 0, result.length - 1), within(j, 0, result[0].length - 1)] });
  }

  function whileDown(drawn, begin, go) {
    let held = null;
    drawn.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      drawn.setPointerCapture(event.pointerId);
      held = begin(event);
      go(event, held);
    });
    drawn.addEventListener("pointermove", (event) => {
      if (drawn.hasPointerCapture(event.pointerId)) go(event, held);
    });
  }

  whileDown(input.root, (event) => {
    const { padding } = settings();
    const [row, column] = under(event, input.root);
    return (pixels()[row - padding]?.[column - padding] ?? 0) < 0.5 ? 1 : 0;
  }, (event, value) => {
    const [row, column] = under(event, input.root);
    const { stride, padding, dilation } = settings();
    if (drawing.checked) return paint([row - padding, column - padding], value);
    const half = (dilation * (model.get("kernel").length - 1)) / 2;
    moveTo(Math.round((row - half) / stride), Math.round((column - half) / stride));
  });
  whileDown(output.root, () => null, (event) => {
    const { padding } = settings();
    const result = correlate(pixels(), model.get("kernel"), settings());
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(output.root.getScreenCTM().inverse());
    const [top, left] = offset(result, [pixels().length + 2 * padding, pixels()[0].length + 2 * padding]);
    moveTo(Math.floor(at.y / SCALE - top), Math.floor(at.x / SCALE - left));
  });

  const WAYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  function keys(handle, move, press) {
    handle.addEventListener("keydown", (event) => {
      const by = WAYS[event.key];
      const pressed = press && (event.key === " " || event.key === "Enter");
      if (!by && !pressed) return;
      event.preventDefault();
      event.stopPropagation(); // notebooks move between cells by arrow keys
      if (by) move(by);
      else press();
    });
  }
  keys(input.handle, ([du, dv]) => {
    pencil = [pencil[0] + du, pencil[1] + dv];
    draw();
  }, () => paint(pencil, pixels()[pencil[0]][pencil[1]] < 0.5 ? 1 : 0));
  keys(output.handle, ([di, dj]) => {
    const [i, j] = placeIn(correlate(pixels(), model.get("kernel"), settings()));
    moveTo(i + di, j + dj);
  });
  drawing.addEventListener("change", draw);
  restore.addEventListener("click", () => {
    const name = model.get("image");
    save(model, { images: { ...model.get("images"), [name]: originals[name] } });
  });

  const names = ["images", "image", "kernel", ...Object.keys(RANGES), "place"];
  const unlisten = listen(model, names.map((name) => [name, draw]));
  draw();
  return unlisten;
}

export default { render };

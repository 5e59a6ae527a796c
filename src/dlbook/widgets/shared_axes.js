// Distance between ticks for four to six of them.
function tickStep([low, high]) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  return power * [1, 2, 5, 10].find((factor) => high - low <= 6 * factor * power);
}

function multiples([low, high], step) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

// Axes of given size in units of the drawing. `x` and `y` are [lowest, highest]; px and py are places
// in `layer`, which clips what is drawn into it and is `width` × `height` large.
function axes(label, titles, { size = [340, 300], left = 46, right = 8, top = 24, bottom = 40, role = "group" } = {}) {
  const [width, height] = [size[0] - left - right, size[1] - top - bottom];
  const ticks = svg("g", { "aria-hidden": "true" });
  const layer = svg("svg", { x: left, y: top, width, height, "aria-hidden": "true" });
  const handles = svg("g");
  const root = svg("svg", { class: "axes", viewBox: `0 0 ${size.join(" ")}`, role, "aria-label": label }, ticks, layer, handles);
  const view = { root, layer, handles, left, top, width, height, x: [0, 1], y: [0, 1] };
  const far = (pixels) => within(pixels, -1e5, 1e5); // a diverging path leaves the picture, not the numbers
  view.px = (value) => far(((value - view.x[0]) / (view.x[1] - view.x[0])) * width);
  view.py = (value) => far(((view.y[1] - value) / (view.y[1] - view.y[0])) * height);
  view.drawTicks = ({ x = multiples(view.x, tickStep(view.x)), y = multiples(view.y, tickStep(view.y)), nameY = signed } = {}) => {
    const anchor = (value) => (value === view.x[1] && 3.4 * String(value).length > right ? "end" : "middle"); // within the picture
    ticks.replaceChildren(
      svg("rect", { class: "border", x: left, y: top, width, height }),
      svg("text", { x: left + width / 2, y: size[1] - 6, "text-anchor": "middle" }, titles.x),
      svg("text", { x: 4, y: 14 }, titles.y),
      ...x.map((value) =>
        svg("text", { x: left + view.px(value), y: top + height + 16, "text-anchor": anchor(value) }, signed(value))),
      ...y.map((value) =>
        svg("text", { x: left - 6, y: top + view.py(value) + 4, "text-anchor": "end" }, nameY(value))),
    );
  };
  return view;
}

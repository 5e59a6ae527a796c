// A point on `view` that moves by pointer and by arrow keys (with Shift: five times as far), to
// multiples of `grain` within the axes; `draw` is to be called when it may have moved.
function movablePoint(view, name, { radius = 6, grain, get, set, say }) {
  const circles = [svg("circle", { class: "reach", r: 14 }), svg("circle", { class: "dot", r: radius })];
  const node = svg("g", {
    class: "handle", role: "slider", tabindex: 0, "aria-label": name, "aria-roledescription": "movable point",
  }, ...circles);
  view.handles.append(node);
  const settle = (pair) => pair.map((value, j) => {
    const [low, high] = (j ? view.y : view.x).map((end) => end / grain(j));
    const count = within(Math.round(value / grain(j)), Math.ceil(low - 1e-9), Math.floor(high + 1e-9));
    return Number((count * grain(j)).toPrecision(8));
  });
  const under = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(view.root.getScreenCTM().inverse());
    return [
      view.x[0] + ((at.x - view.left) / view.width) * (view.x[1] - view.x[0]),
      view.y[1] - ((at.y - view.top) / view.height) * (view.y[1] - view.y[0]),
    ];
  };
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) set(settle(under(event)));
  });
  node.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation(); // notebooks move between cells by arrow keys
    const far = event.shiftKey ? 5 : 1;
    set(settle(get().map((value, j) => value + far * by[j] * grain(j))));
  });
  const draw = () => {
    const [x, y] = get();
    for (const circle of circles) {
      circle.setAttribute("cx", view.left + view.px(x));
      circle.setAttribute("cy", view.top + view.py(y));
    }
    node.setAttribute("aria-valuenow", y);
    node.setAttribute("aria-valuetext", say([x, y].map((value) => signed(Number(value.toPrecision(6))))));
  };
  return { node, draw };
}

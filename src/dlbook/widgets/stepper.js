// Frames drawn beforehand: show one, move by slider, buttons, arrow keys, or play.

function render({ model, el }) {
  const frames = model.get("frames");
  const captions = model.get("captions");
  const last = frames.length - 1;

  const back = button("‹", { "aria-label": "Previous step" });
  const play = button("▶", { "aria-label": "Play" });
  const next = button("›", { "aria-label": "Next step" });
  const steps = html("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Step" });
  const picture = html("div", { class: "picture" });
  const caption = html("p", { class: "caption", "aria-live": "polite" });
  const controls = html("div", { class: "controls" }, back, play, next, steps);
  const root = group("stepper", model.get("label"));
  root.append(picture, caption, controls);
  el.append(root);

  let timer = null;

  function show() {
    const index = model.get("index");
    picture.innerHTML = frames[index];
    caption.textContent = `Step ${index + 1} of ${frames.length}: ${captions[index]}`;
    steps.value = index;
    steps.setAttribute("aria-valuetext", caption.textContent);
    // aria-disabled rather than disabled: a disabled button would drop the keyboard's focus
    back.setAttribute("aria-disabled", index === 0);
    next.setAttribute("aria-disabled", index === last);
  }

  function go(index) {
    save(model, { index: within(index, 0, last) });
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
    caption.setAttribute("aria-live", "polite");
  }

  function start() {
    if (model.get("index") === last) go(0);
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    caption.setAttribute("aria-live", "off"); // playing: do not interrupt a listener
    timer = setInterval(() => {
      go(model.get("index") + 1);
      if (model.get("index") === last) stop();
    }, model.get("interval"));
  }

  function step(by) {
    stop();
    go(model.get("index") + by);
  }

  back.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  play.addEventListener("click", () => (timer === null ? start() : stop()));
  steps.addEventListener("input", () => step(Number(steps.value) - model.get("index")));
  stepByKeys(controls, step);

  const unlisten = listen(model, [["index", show]]);
  show();
  return () => {
    stop();
    unlisten();
  };
}

export default { render };

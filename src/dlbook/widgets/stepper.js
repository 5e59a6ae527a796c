// Frames drawn beforehand: show one, move by slider, buttons, arrow keys, or play.

function element(tag, attributes, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function render({ model, el }) {
  const frames = model.get("frames");
  const captions = model.get("captions");
  const last = frames.length - 1;

  const root = element("div", { class: "dlbook-stepper", role: "group", "aria-label": model.get("label") });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const picture = element("div", { class: "dlbook-stepper-picture" });
  const controls = element("div", { class: "dlbook-stepper-controls" });
  const back = element("button", { type: "button", "aria-label": "Previous step" }, "‹");
  const play = element("button", { type: "button", "aria-label": "Play" }, "▶");
  const next = element("button", { type: "button", "aria-label": "Next step" }, "›");
  const slider = element("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Step" });
  const caption = element("p", { class: "dlbook-stepper-caption", "aria-live": "polite" });
  controls.append(back, play, next, slider);
  root.append(picture, caption, controls);
  el.append(root);

  let timer = null;

  function show() {
    const index = model.get("index");
    picture.innerHTML = frames[index];
    caption.textContent = `Step ${index + 1} of ${frames.length}: ${captions[index]}`;
    slider.value = index;
    slider.setAttribute("aria-valuetext", caption.textContent);
    // aria-disabled rather than disabled: a disabled button would drop the keyboard's focus
    back.setAttribute("aria-disabled", index === 0);
    next.setAttribute("aria-disabled", index === last);
  }

  function go(index) {
    model.set("index", Math.min(Math.max(index, 0), last));
    model.save_changes();
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
  slider.addEventListener("input", () => step(Number(slider.value) - model.get("index")));
  controls.addEventListener("keydown", (event) => {
    if (event.target === slider) return; // the slider knows its keys
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // notebooks move between cells by arrow keys
    step(by);
  });

  model.on("change:index", show);
  show();
  return () => {
    stop();
    model.off("change:index", show);
  };
}

export default { render };

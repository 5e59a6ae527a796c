// Calls `step` with −1 or 1 for an arrow key on a button; sliders and lists know their keys.
function stepByKeys(controls, step) {
  controls.addEventListener("keydown", (event) => {
    if (event.target.tagName !== "BUTTON") return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // notebooks move between cells by arrow keys
    step(by);
  });
}

// Lets a button start and pause a run: `stride` steps and a drawing every `interval` milliseconds until
// `finished`. Readers who want no motion get a drawing after `atOnce` steps. Returns what stops it.
function runner(button, spoken, { interval, stride = 1, atOnce = Infinity, begin = () => {}, step, finished, draw }) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Run";
    spoken.setAttribute("aria-live", "polite");
  };
  const advance = (steps) => {
    for (let k = 0; k < steps && !finished(); k += 1) step();
    if (finished()) stop();
    draw();
  };
  button.addEventListener("click", () => {
    if (timer !== null) {
      stop();
      return draw();
    }
    begin();
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return advance(atOnce);
    button.textContent = "Pause";
    spoken.setAttribute("aria-live", "off"); // do not speak each step
    timer = setInterval(() => advance(stride), interval);
  });
  return stop;
}

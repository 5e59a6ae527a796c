// Before anything is drawn: the reader's choice of theme, else the system's. After the first drawing:
// the rest of the page, and its scripts in their order.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // storage is refused
  }
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = chosen || (dark ? "dark" : "light");
  // who follows a link into a chapter begins within the rest
  root.classList.add("js", ...(location.hash ? ["drawn"] : []));

  const read = new Promise((go) => addEventListener("DOMContentLoaded", go));
  const drawn = new Promise((go) => {
    new PerformanceObserver(go).observe({ type: "paint", buffered: true });
    // not every drawing is reported: Firefox is silent about some pages that begin far down
    addEventListener("load", () => setTimeout(go, 300));
  });
  drawn.then(() => root.classList.add("drawn"));
  Promise.all([read, drawn]).then(() => {
    for (const address of document.body.dataset.scripts?.split(" ") ?? []) {
      const script = document.createElement("script");
      script.async = false;
      script.src = address;
      document.body.append(script);
    }
  });
})();

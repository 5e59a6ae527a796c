// Before anything is drawn: the reader's choice of theme, else the system's. After the first drawing:
// the rest of the page, and its scripts in their order.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // storage is refused
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = chosen || (dark ? "dark" : "light");
  // who follows a link into a chapter begins within the rest
  document.documentElement.classList.add("js", ...(location.hash ? ["drawn"] : []));

  const rest = () => {
    document.documentElement.classList.add("drawn");
    for (const address of document.body.dataset.scripts?.split(" ") ?? []) {
      const script = document.createElement("script");
      script.async = false;
      script.src = address;
      document.body.append(script);
    }
  };
  addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(rest)));
})();

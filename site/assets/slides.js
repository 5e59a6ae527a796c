// Plays a deck with reveal.js; on narrow screens, as without this script, the slides follow each other.
(() => {
  const root = document.documentElement;
  const wide = matchMedia("(min-width: 48.01rem) and (scripting: enabled)"); // as in the style sheet
  const playing = wide.matches;
  wide.addEventListener("change", () => {
    if (matchMedia("screen").matches && wide.matches !== playing) location.reload(); // not to print
  });
  if (!playing) return;

  // The builder deals out slides by estimate: what is still too high is made smaller.
  const over = (box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1;
  const grown = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const box = target.parentElement;
      let zoom = Number(target.style.zoom || 1);
      while (zoom > 0.5 && over(box)) target.style.zoom = zoom = Number((zoom - 0.05).toFixed(2));
      if (over(box)) box.tabIndex = 0; // scrolls, by keyboard too
    }
  });
  for (const content of document.querySelectorAll(".deck-fit")) grown.observe(content);

  // What has the focus keeps its keys: a widget until Esc leaves it, a button while it is pressed.
  function isForDeck({ key, target }) {
    const held = target?.closest?.(".widget, .speaker-notes, .deck-content[tabindex]");
    if (held && key === "Escape") target.blur();
    if (!held && key === "?") Reveal.toggleHelp(); // wherever a keyboard has it
    return !held && key !== "?" && !([" ", "Enter"].includes(key) && target?.closest?.("a, button, summary"));
  }
  for (const view of document.querySelectorAll("script[type*='widget-view']")) {
    view.parentElement.dataset.preventSwipe = ""; // a finger works the widget
  }

  // As on the site's pages, the system's own choice is not stored.
  function turnTheme() {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      if (matchMedia(`(prefers-color-scheme: ${theme})`).matches) localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // storage is refused: the choice holds for this deck only
    }
  }

  Reveal.initialize({
    // The style sheet's rem follows the window, so that nothing need be scaled.
    width: "100%",
    height: "100%",
    margin: 0,
    minScale: 1,
    maxScale: 1,
    scrollActivationWidth: null,
    center: false,
    display: "flex",
    viewDistance: Infinity, // all slides are laid out, so that they can be fitted and printed
    mobileViewDistance: Infinity,
    transition: "none",
    navigationMode: "linear", // arrow keys too go through all slides in their order
    slideNumber: "c/t",
    hash: true,
    hashOneBasedIndex: true,
    controlsTutorial: false,
    overview: !Speaker.isWindow,
    showNotes: Speaker.isWindow,
    postMessage: false,
    keyboardCondition: isForDeck,
    keyboard: {
      13: () => Reveal.toggleOverview(false), // Enter
      35: () => Reveal.slide(Infinity, Infinity), // End: of the last section too
      36: () => Reveal.slide(0, 0), // Home
    },
    plugins: [Speaker],
  });
  Reveal.addKeyBinding({ keyCode: 68, key: "D", description: "Light or dark" }, turnTheme);
  document.querySelector(".deck-theme").addEventListener("click", turnTheme);
  document.querySelector(".deck-keys").addEventListener("click", () => Reveal.toggleHelp());
})();

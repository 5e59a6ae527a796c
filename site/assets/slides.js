// Plays a deck: one slide at a time, by keyboard; overview; a speaker's window with the notes.
(() => {
  const root = document.documentElement;
  const one = (selector, from = document) => from.querySelector(selector);
  const frames = [...document.querySelectorAll(".deck-frame")];
  const slideOf = (frame) => one(".deck-slide", frame);
  const speaker = location.search === "?speaker";
  const narrow = matchMedia("(max-width: 48rem)"); // there the slides follow each other, as a page
  let at = 0;
  let other = speaker ? window.opener : null; // the deck's speaker window, or the speaker's deck

  // --- one slide ------------------------------------------------------------------------------
  function show(number, { tell = true, focus = true } = {}) {
    const before = frames[at];
    at = Math.max(0, Math.min(frames.length - 1, number));
    const held = document.activeElement === document.body || before.contains(document.activeElement);
    lay();
    fit(frames[at]);
    if (speaker && frames[at + 1]) fit(frames[at + 1]);
    if (focus && held && !root.classList.contains("overview")) slideOf(frames[at]).focus({ preventScroll: true });
    scrollTo(0, 0);
    const place = `${at + 1} / ${frames.length}`;
    one(".deck-place").textContent = place;
    one(".deck-status").textContent = `Slide ${slideOf(frames[at]).getAttribute("aria-label")}`;
    root.style.setProperty("--done", (at + 1) / frames.length);
    history.replaceState(null, "", `#/${at + 1}`);
    if (tell && other && !other.closed) other.postMessage({ deck: location.pathname, slide: at }, "*");
  }

  // Only the slide that is shown can be reached; the others are laid out behind it.
  function lay() {
    const all = root.classList.contains("overview");
    const playing = root.classList.contains("playing");
    frames.forEach((frame, i) => {
      frame.classList.toggle("current", i === at);
      frame.classList.toggle("next", i === at + 1);
      slideOf(frame).inert = playing && (all || speaker || i !== at);
      const go = one(".deck-go", frame);
      if (go) go.hidden = !all;
    });
  }

  // The builder splits slides by estimate; what is still too high is made smaller.
  function fit(frame) {
    const box = one(".deck-content", frame);
    const inner = one(".deck-fit", frame);
    if (!box.clientHeight) return;
    let zoom = Number(inner.style.zoom || 1);
    while (zoom > 0.5 && (box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1)) {
      zoom = Math.round((zoom - 0.05) * 100) / 100;
      inner.style.zoom = zoom;
    }
    if (box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0; // scrolls, by keyboard too
  }
  const grown = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.closest(".deck-frame.current")) fit(target.closest(".deck-frame"));
  });
  for (const frame of frames) grown.observe(one(".deck-fit", frame));

  // --- overview --------------------------------------------------------------------------------
  function overview(state) {
    const was = root.classList.contains("overview");
    if (state === was || speaker) return;
    for (const [i, frame] of frames.entries()) {
      if (one(".deck-go", frame)) continue;
      const go = document.createElement("button");
      go.type = "button";
      go.className = "deck-go";
      go.setAttribute("aria-label", `Slide ${slideOf(frame).getAttribute("aria-label")}`);
      go.addEventListener("click", () => {
        overview(false);
        show(i);
        slideOf(frames[at]).focus({ preventScroll: true });
      });
      frame.append(go);
    }
    root.classList.toggle("overview", state);
    one('[data-does="overview"]').setAttribute("aria-pressed", state);
    lay();
    if (state) {
      frames.forEach(fit);
      one(".deck-go", frames[at]).focus();
      frames[at].scrollIntoView({ block: "center" });
    } else show(at);
  }
  function roam(step) {
    const here = frames.findIndex((frame) => frame.contains(document.activeElement));
    const next = frames[Math.max(0, Math.min(frames.length - 1, (here < 0 ? at : here) + step))];
    one(".deck-go", next).focus();
  }
  function across() {
    const top = frames[0].offsetTop;
    return frames.findIndex((frame) => frame.offsetTop > top) || 1;
  }

  // --- what keys and buttons do ------------------------------------------------------------------
  const help = one("dialog.deck-help");
  const does = {
    on: () => show(at + 1),
    back: () => show(at - 1),
    first: () => show(0),
    last: () => show(frames.length - 1),
    overview: () => overview(!root.classList.contains("overview")),
    speaker() {
      if (speaker || narrow.matches) return;
      if (other && !other.closed) other.focus();
      else other = open(`${location.pathname}?speaker#/${at + 1}`, "", "width=1100,height=760");
    },
    theme: () => (root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.()),
    help: () => (help.open ? help.close() : help.showModal()),
  };
  const keys = {
    ArrowRight: "on", ArrowDown: "on", PageDown: "on", " ": "on",
    ArrowLeft: "back", ArrowUp: "back", PageUp: "back",
    Home: "first", End: "last", o: "overview", Escape: "overview",
    s: "speaker", f: "full", d: "theme", "?": "help",
  };
  const keeps = ".widget, input, select, textarea, .deck-content[tabindex], .deck-notes";
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (narrow.matches || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest?.(keeps)) {
      if (key === "Escape") {
        target.blur();
        slideOf(frames[at]).focus({ preventScroll: true });
      }
      return;
    }
    // presses the button, follows the link
    if ((key === " " || key === "Enter") && target.closest?.("a, button, summary")) return;
    if (key === "Escape" && document.fullscreenElement) return;
    let action = keys[key.length === 1 ? key.toLowerCase() : key];
    if (key === " " && event.shiftKey) action = "back";
    if (!action) return;
    event.preventDefault();
    if (root.classList.contains("overview") && key !== "Escape") {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across() }[key];
      if (step) return roam(step);
      if (key === "Home" || key === "End") return roam(key === "End" ? frames.length : -frames.length);
    }
    does[action]();
  });
  one(".deck-controls").addEventListener("click", (event) => {
    const action = event.target.closest("button")?.dataset.does;
    if (action) does[action]();
  });

  // A link within the deck turns to the slide of its target.
  function follow(hash) {
    const number = /^#\/(\d+)$/.exec(hash);
    const target = number ? frames[number[1] - 1] : document.getElementById(decodeURIComponent(hash.slice(1)));
    return frames.indexOf(target?.closest(".deck-frame"));
  }
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    const found = link && root.classList.contains("playing") ? follow(link.hash) : -1;
    if (found < 0) return;
    event.preventDefault();
    show(found);
  });
  addEventListener("hashchange", () => {
    const found = follow(location.hash);
    if (found >= 0 && found !== at) show(found);
  });

  // Deck and speaker's window tell each other; messages work for files too.
  addEventListener("message", ({ data, source }) => {
    if (data?.deck !== location.pathname) return;
    other = source;
    if (data.slide !== at) show(data.slide, { tell: false, focus: false });
  });

  if (speaker) {
    root.classList.add("speaker");
    document.title = `Notes · ${document.title}`;
    const clock = document.createElement("p");
    clock.className = "deck-clock";
    clock.setAttribute("role", "timer");
    document.body.append(clock);
    const begin = Date.now();
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    const tick = () => {
      const seconds = (Date.now() - begin) / 1000;
      const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      clock.textContent = `${two(seconds / 60)}:${two(seconds % 60)} · ${time}`;
    };
    setInterval(tick, 1000);
    tick();
    for (const notes of document.querySelectorAll(".deck-notes")) notes.tabIndex = 0;
  }

  function play() {
    root.classList.toggle("playing", !narrow.matches);
    if (narrow.matches) root.classList.remove("overview");
    lay();
  }
  narrow.addEventListener("change", play);
  addEventListener("beforeprint", () => {
    overview(false);
    frames.forEach(fit);
  });
  play();
  if (!narrow.matches) document.fonts.ready.then(() => show(Math.max(0, follow(location.hash)), { tell: false }));
})();

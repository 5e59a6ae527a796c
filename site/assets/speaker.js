// A plugin of reveal.js: the speaker's window, with notes, the next slide and a clock. It is the same
// deck once more, since notes hold formulas, figures and code. (The window that comes with reveal.js
// has none of the deck's style sheets, and it is written with scripts that strict pages forbid.)
globalThis.Speaker = {
  id: "speaker",
  isWindow: location.search === "?speaker",

  init(deck) {
    // Both windows tell each other where they are; messages work for files too.
    let other = this.isWindow ? window.opener : null;
    addEventListener("message", ({ data, source }) => {
      if (data?.deck !== location.pathname) return;
      other = source;
      deck.slide(...data.place, undefined, "other");
    });
    deck.on("slidechanged", ({ indexh, indexv, origin }) => {
      if (origin !== "other") other?.postMessage({ deck: location.pathname, place: [indexh, indexv] }, "*");
    });
    if (this.isWindow) return this.furnish(deck);
    deck.addKeyBinding({ keyCode: 83, key: "S", description: "Speaker's window" }, () => {
      if (other && !other.closed) return other.focus();
      const { h, v } = deck.getIndices();
      other = open(`${location.pathname}?speaker#/${h + 1}/${v + 1}`, "", "width=1100,height=760");
    });
  },

  furnish(deck) {
    document.documentElement.classList.add("speaker");
    document.title = `Notes · ${document.title}`;
    deck.getSlidesElement().inert = true;
    const next = () => {
      const slides = deck.getSlides();
      const at = slides.indexOf(deck.getCurrentSlide());
      slides.forEach((slide, i) => slide.classList.toggle("next", i === at + 1));
    };
    deck.on("ready", next);
    deck.on("slidechanged", next);
    const clock = document.createElement("p");
    clock.className = "deck-clock";
    clock.setAttribute("role", "timer");
    deck.getRevealElement().append(clock);
    const begin = Date.now();
    const tick = () => {
      const spent = new Date(Date.now() - begin).toISOString().slice(11, 19);
      const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      clock.textContent = `${spent} · ${time}`;
    };
    setInterval(tick, 1000);
    tick();
  },
};

// What the pages do: theme, chapters on narrow screens, copying code, scrolling by keyboard.
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Theme: the button turns to the other one; the system's own choice is not stored.
  const button = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-pressed", theme === "dark");
  };
  const stored = (change) => {
    try {
      return change(localStorage);
    } catch {
      return null; // storage is refused: the choice holds for this page only
    }
  };
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    show(theme);
    if ((theme === "dark") === system.matches) stored((storage) => storage.removeItem("theme"));
    else stored((storage) => storage.setItem("theme", theme));
  });
  system.addEventListener("change", () => {
    if (!stored((storage) => storage.getItem("theme"))) show(system.matches ? "dark" : "light");
  });
  show(root.dataset.theme);

  // Chapters on a narrow screen
  const menu = document.querySelector(".menu");
  const chapters = document.querySelector(".chapters");
  const open = (state) => {
    menu.setAttribute("aria-expanded", state);
    chapters.classList.toggle("open", state);
  };
  menu.addEventListener("click", () => open(menu.getAttribute("aria-expanded") !== "true"));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chapters.classList.contains("open")) {
      open(false);
      menu.focus();
    }
  });
  const current = chapters.querySelector("a.current");
  if (current) chapters.scrollTop = current.offsetTop - chapters.clientHeight / 3;

  // A button that copies, on every cell of code
  if (navigator.clipboard) {
    for (const code of all(".cell_input .highlight, article > section div[class*=highlight-] > .highlight")) {
      const copy = document.createElement("button");
      copy.type = "button";
      copy.className = "copy";
      copy.textContent = "Copy";
      copy.setAttribute("aria-label", "Copy this code");
      copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.querySelector("pre").textContent.trimEnd());
        copy.textContent = "Copied";
        setTimeout(() => (copy.textContent = "Copy"), 1500);
      });
      code.append(copy);
    }
  }

  // What scrolls in its own box can be reached by keyboard. Only what is near is measured, since
  // the browser lays out the other sections later.
  const boxes = ":is(pre, .pst-scrollable-table-container, .math, .cell_output > .output, .dlbook-plot)";
  const within = (selector, parts) => parts.flatMap((part) => [...(part.matches(selector) ? [part] : []), ...all(selector, part)]);
  const reach = (parts) => {
    // a formula in the text that is wider than the column gets a line, and a box, of its own
    const formulas = within("span.math", parts);
    for (const formula of formulas) formula.classList.remove("wide");
    const room = (formula) => formula.closest("p, li, dd, td, div").clientWidth;
    for (const formula of formulas.filter((each) => each.offsetWidth > room(each))) formula.classList.add("wide");
    const scrolls = (box) => box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    const scrolling = new Set(within(boxes, parts).filter(scrolls));
    for (const box of within(boxes, parts)) {
      if (scrolling.has(box)) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  const parts = all("article > section > *");
  const close = new Set(parts.filter((part) => part.tagName !== "SECTION")); // what comes first, at once
  let frame = 0;
  const later = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => reach([...close]));
  };
  addEventListener("resize", later);
  addEventListener("load", later);
  new MutationObserver(later).observe(document.querySelector("main"), { childList: true, subtree: true });
  reach([...close]);
  const approach = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) close.add(target);
        else close.delete(target);
      }
      reach(entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target));
    },
    { rootMargin: "100% 0px" },
  );
  for (const part of parts) approach.observe(part);

  // Fonts for formulas in sections that are not laid out yet: who prints the page needs them now
  for (const face of document.fonts) face.load().catch(() => {});

  // Where the reader is, in the contents of the page
  const links = new Map(all(".here a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const link = links.get(entry.target.id);
        if (!entry.isIntersecting) {
          link.removeAttribute("aria-current");
          continue;
        }
        for (const other of links.values()) other.removeAttribute("aria-current");
        link.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -75% 0px" },
  );
  for (const id of links.keys()) {
    const section = id && document.getElementById(id);
    if (section) seen.observe(section);
  }

  // The contents of the page make way for notes in the margin that are on the screen
  const notes = new Set();
  const aside = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) notes[isIntersecting ? "add" : "delete"](target);
    document.querySelector(".here")?.classList.toggle("behind", notes.size > 0);
  });
  for (const note of all(".margin")) aside.observe(note);

  // The definition of a term: on hover, on focus, at the first tap; Escape sends it away
  let term = null;
  let leaving = 0;
  const definition = (link) => document.getElementById(link.hash.slice(1));
  const hide = () => {
    if (term) definition(term).hidden = true;
    term = null;
  };
  const define = (link) => {
    clearTimeout(leaving);
    if (link === term) return;
    hide();
    term = link;
    const box = definition(link);
    box.hidden = false;
    const at = link.getClientRects()[0]; // of a term on two lines, where it begins
    const left = Math.min(at.left, document.documentElement.clientWidth - box.offsetWidth - 12);
    const above = at.bottom + box.offsetHeight > innerHeight && at.top > box.offsetHeight;
    box.style.left = `${Math.max(left, 12) + scrollX}px`;
    box.style.top = `${(above ? at.top - box.offsetHeight : at.bottom) + scrollY}px`;
  };
  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(hide, 250); // time for the pointer to reach the definition
  };
  for (const link of all("a.term")) {
    let tapped = false;
    link.setAttribute("aria-describedby", definition(link).id);
    link.addEventListener("pointerenter", ({ pointerType }) => pointerType === "touch" || define(link));
    link.addEventListener("pointerleave", ({ pointerType }) => pointerType === "touch" || leave());
    link.addEventListener("pointerdown", ({ pointerType }) => (tapped = pointerType === "touch" && term !== link));
    link.addEventListener("focus", () => define(link));
    link.addEventListener("blur", leave);
    link.addEventListener("click", (event) => {
      if (tapped) event.preventDefault(); // the second tap follows the link
      if (tapped) define(link);
      tapped = false;
    });
  }
  for (const box of all(".definitions > p")) {
    box.addEventListener("pointerenter", () => clearTimeout(leaving));
    box.addEventListener("pointerleave", leave);
  }
  addEventListener("pointerdown", ({ target }) => target.closest?.("a.term, .definitions") || hide());
  addEventListener("resize", hide);
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());

  // A link that points into a folded solution unfolds it
  const arrive = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let folded = false;
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS" && !node.open) folded = node.open = true;
    }
    if (folded) target.scrollIntoView();
    return target;
  };
  addEventListener("hashchange", arrive);
  const target = arrive();

  // Safari does not keep the place while widgets appear above it: we do, until the reader moves
  if (target && !CSS.supports("overflow-anchor", "auto")) {
    const keep = new ResizeObserver(() => target.scrollIntoView());
    keep.observe(document.querySelector("article"));
    const done = () => keep.disconnect();
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(kind, done, { once: true });
    setTimeout(done, 5000);
  }
})();

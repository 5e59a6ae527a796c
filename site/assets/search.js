// Adds to Sphinx's search: symbols, places within pages, and suggestions where nothing is found.
// Runs after searchtools.js, which defines what is changed here, and before the index is there.
(() => {
  const GREEK =
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega".split(" ");
  const SYMBOLS = { "∂": "partial", "∇": "nabla", "∑": "sum", "∏": "prod", "√": "sqrt", "∞": "infty", "⊙": "odot", "ϵ": "epsilon", "ϕ": "phi" };
  GREEK.forEach((name, i) => {
    SYMBOLS[String.fromCodePoint(0x3b1 + i)] = name; // α …
    if (i !== 17) SYMBOLS[String.fromCodePoint(0x391 + i)] = name; // Α …, of which there is no final σ
  });
  const NOTATION = "book/reference/notation";

  // The index holds formulas as they are written in TeX: σ is "sigma" there.
  const split = splitQuery;
  const spelled = (query) => [...query].map((letter) => (SYMBOLS[letter] ? ` ${SYMBOLS[letter]} ` : letter)).join("");
  splitQuery = (query) => split(spelled(query).normalize("NFKC"));
  let symbolic = false;
  // A chapter that is named for a word is about it; the reference pages only list the word, unless
  // it is a name in code.
  let parts = [];
  let code = false;
  Scorer.score = ([page, , , , score]) => {
    if (symbolic && page === NOTATION) return score + 30;
    const name = page.split("/").at(-1).split("-");
    const about = parts.some((part) => name.includes(part));
    return score + (about ? 20 : 0) - (page.startsWith("book/reference/") && !code ? 12 : 0);
  };

  // Headings that hold all words of the query
  const search = Search._performSearch;
  const headings = (words, results) => {
    const { alltitles, docnames, titles, filenames } = Search._index;
    const stemmer = new Stemmer();
    const seen = new Set(results.map(([page, , anchor]) => page + anchor));
    const found = [];
    for (const [heading, places] of Object.entries(alltitles)) {
      const stems = new Set(splitQuery(heading.toLowerCase()).map((word) => stemmer.stemWord(word)));
      if (!words.size || [...words].some((word) => !stems.has(word))) continue;
      for (const [file, id] of places) {
        const anchor = id === null ? "" : `#${id}`;
        if (titles[file] === heading || seen.has(docnames[file] + anchor)) continue;
        found.push([docnames[file], `${titles[file]} > ${heading}`, anchor, null, 10, filenames[file]]);
      }
    }
    return found;
  };
  Search._performSearch = (query, words, ...others) => {
    parts = query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    code = /[\w)][._]\w/.test(query);
    const results = search(query, words, ...others);
    return [...results, ...headings(words, results)].sort(_orderResultsByScoreThenName);
  };

  // The lines below a result: from the text itself, and where the symbol stands that was asked for
  const text = Search.htmlToText;
  const aside =
    /<(?:ul class="launch"|div class="definitions"|nav class="(?:leads|turn)"|style)[^]*?<\/(?:ul|div|nav|style)>/g;
  Search.htmlToText = (page, anchor) => text(page.replace(aside, ""), anchor);
  const summary = Search.makeSearchSummary;
  let asked = [];
  Search.makeSearchSummary = (page, words, anchor) => summary(page, new Set([...words, ...asked]), anchor);

  // How many letters to add, drop, change or swap to make one word of the other
  const distance = (a, b) => {
    const rows = [[...Array(b.length + 1).keys()]];
    for (let i = 1; i <= a.length; i++) {
      rows.push([i]);
      for (let j = 1; j <= b.length; j++) {
        const same = a[i - 1] === b[j - 1] ? 0 : 1;
        rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
        const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
        if (swapped) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
    return rows[a.length][b.length];
  };

  const nearest = (query) => {
    const { alltitles, objects, terms } = Search._index;
    const known = new Map(); // lower case: as written
    const learn = (text) => known.has(text.toLowerCase()) || known.set(text.toLowerCase(), text);
    for (const term of TERMS) [term, ...split(term)].forEach(learn);
    for (const heading of Object.keys(alltitles)) [heading, ...split(heading)].forEach(learn);
    for (const [module, members] of Object.entries(objects)) {
      learn(module);
      for (const member of members) learn(member[4]);
    }
    Object.keys(terms).filter((term) => term.includes("_") && !term.endsWith("i")).forEach(learn); // names in code
    const wanted = query.trim().toLowerCase();
    const most = Math.max(1, Math.floor(wanted.length / 3));
    return [...known]
      .filter(([text]) => text.length > 2 && Math.abs(text.length - wanted.length) <= most)
      .map(([text, written]) => [distance(wanted, text), written])
      .filter(([steps]) => steps > 0 && steps <= most)
      .sort(([a, one], [b, other]) => a - b || one.localeCompare(other))
      .slice(0, 4)
      .map(([, written]) => written);
  };

  const suggest = (query) => {
    const help = document.getElementById("search-help");
    const close = help.querySelector(".nearest");
    close.replaceChildren();
    for (const text of nearest(query)) {
      const link = document.createElement("a");
      link.href = `?q=${encodeURIComponent(text)}`;
      link.textContent = text;
      const item = document.createElement("li");
      item.append(link);
      close.append(item);
    }
    Search.title.textContent = "Nothing found";
    Search.status.textContent = `No page holds “${query}”.`;
    help.querySelector(".meant").hidden = !close.children.length;
    help.hidden = false;
  };

  const count = "Search finished, found ${resultCount} page(s) matching the search query.";
  Documentation.TRANSLATIONS[count] = "Places found: ${resultCount}, the nearest first.";

  Search.query = (query) => {
    symbolic = spelled(query) !== query || /^.$/u.test(query.trim());
    asked = [...query].filter((letter) => SYMBOLS[letter]);
    const parsed = Search._parseQuery(query);
    const results = Search._performSearch(...parsed);
    _displayNextItem(results, results.length, parsed[1], parsed[3]);
    if (!results.length) suggest(query);
  };
})();

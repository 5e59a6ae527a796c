// Tagging by counting, in the page: count, smooth, tag by word and by the best path (Viterbi).

// ---- The model ------------------------------------------------------------------------------

function count(training, size, tags) {
  const boundary = tags.length; // stands before the first word and after the last
  const number = new Map(tags.map((tag, index) => [tag, index]));
  const words = new Map(); // word -> counts by tag
  const pairs = Array.from({ length: boundary + 1 }, () => new Array(boundary + 1).fill(0));
  for (const sentence of training.slice(0, size)) {
    let previous = boundary;
    for (const token of sentence.split(" ")) {
      const slash = token.lastIndexOf("/");
      const word = token.slice(0, slash);
      const tag = number.get(token.slice(slash + 1));
      if (!words.has(word)) words.set(word, new Array(boundary).fill(0));
      words.get(word)[tag] += 1;
      pairs[previous][tag] += 1;
      previous = tag;
    }
    pairs[previous][boundary] += 1;
  }
  return { words, pairs };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

const argmax = (numbers) => numbers.indexOf(Math.max(...numbers));

// Posterior mean under a Dirichlet prior; NaN (0/0) where nothing was counted and nothing is added.
function smooth(counts, prior, alpha) {
  const total = sum(counts) + alpha;
  return counts.map((n, index) => (n + alpha * prior[index]) / total);
}

// Columns of `scores` are tags; null where no path has a positive probability.
function viterbi(scores, steps) {
  const boundary = scores[0].length;
  let best = scores[0].map((score, tag) => steps[boundary][tag] + score);
  const back = [];
  for (const row of scores.slice(1)) {
    const from = row.map((_, tag) => argmax(best.map((score, before) => score + steps[before][tag])));
    best = row.map((score, tag) => best[from[tag]] + steps[from[tag]][tag] + score);
    back.push(from);
  }
  const ends = best.map((score, tag) => score + steps[tag][boundary]);
  if (!(Math.max(...ends) > -Infinity)) return null;
  const path = [argmax(ends)];
  for (const from of back.reverse()) path.unshift(from[path[0]]);
  return path;
}

// Words of `text`, and for each its distribution, its own best tag and its tag on the best path.
function analyse({ training, tags, size, alpha, text }) {
  const { words, pairs } = count(training, size, tags);
  const frequency = tags.map((_, tag) => sum(pairs.map((row) => row[tag])));
  const share = smooth(frequency, frequency, 0);
  const next = [...frequency, Math.min(size, training.length)];
  const nextShare = smooth(next, next, 0);
  const steps = pairs.map((row) => smooth(row, nextShare, alpha).map((p) => Math.log(p || 0)));
  const tokens = text.match(/[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*|['’]\p{L}+|[^\s]/gu) ?? [];
  const rows = tokens.map((word) => {
    const counts = words.get(word) ?? tags.map(() => 0);
    const distribution = smooth(counts, share, alpha);
    const known = words.has(word);
    const tagged = known || alpha > 0;
    return { word, known, counts, distribution, alone: tagged ? argmax(distribution) : null };
  });
  let path = null;
  if (rows.length && rows.every((row) => row.alone !== null)) {
    const scores = rows.map((row) =>
      row.distribution.map((p, tag) => (share[tag] ? Math.log(p / share[tag]) : -Infinity)));
    path = viterbi(scores, steps);
  }
  rows.forEach((row, index) => (row.inContext = path ? path[index] : null));
  return { rows, n_words: sum(frequency) };
}

// ---- The page -------------------------------------------------------------------------------

function sizesUpTo(last) {
  const sizes = [];
  for (let unit = 1; unit <= last; unit *= 10)
    for (const digit of [1, 2, 5]) if (digit * unit < last) sizes.push(digit * unit);
  return [...sizes, last];
}

function bars(row, tags) {
  if (row.alone === null) return html("ul", { class: "dlbook-tagger-bars" }, html("li", {}, "unseen: 0/0"));
  const order = tags.map((_, tag) => tag).sort((a, b) => row.distribution[b] - row.distribution[a]);
  const shown = order.filter((tag) => row.distribution[tag] >= 0.005).slice(0, 3);
  return html("ul", { class: "dlbook-tagger-bars" }, ...shown.map((tag) => {
    const fill = html("span");
    fill.style.width = `${100 * row.distribution[tag]}%`;
    return html("li", {},
      html("span", { class: "dlbook-tagger-tag" }, tags[tag]),
      html("span", { class: "dlbook-tagger-bar", "aria-hidden": "true" }, fill),
      html("span", {}, row.distribution[tag].toFixed(2)));
  }));
}

function table(result, tags) {
  const head = ["Word", "P(tag | word)", "By word", "In context"].map((name) => html("th", { scope: "col" }, name));
  const lines = result.rows.map((row) => {
    const changed = row.inContext !== null && row.inContext !== row.alone;
    const context = row.inContext === null ? "none" : tags[row.inContext] + (changed ? " ←" : "");
    return html("tr", {},
      html("th", { scope: "row" }, row.known ? row.word : `${row.word} *`),
      html("td", {}, bars(row, tags)),
      html("td", {}, row.alone === null ? "none" : tags[row.alone]),
      html("td", changed ? { class: "dlbook-tagger-changed" } : {}, context));
  });
  return html("table", {}, html("tr", {}, ...head), ...lines);
}

function summary(result, size) {
  const unseen = result.rows.filter((row) => !row.known).length;
  const changed = result.rows.filter((r) => r.inContext !== null && r.inContext !== r.alone).length;
  const parts = [`Counted ${size} sentences, ${result.n_words} words.`];
  if (unseen) parts.push(`Never seen there (marked *): ${unseen}.`);
  if (result.rows.length && result.rows.every((row) => row.inContext === null))
    parts.push("Without smoothing every path has probability zero: no tags in context.");
  else parts.push(`Tags that context changes (marked ←): ${changed}.`);
  return parts.join(" ");
}

function render({ model, el }) {
  const tags = model.get("tags");
  const training = model.get("training");
  const examples = model.get("examples");
  const sizes = sizesUpTo(training.length);

  const sentence = html("input", { type: "text", spellcheck: "false", autocomplete: "off" });
  const example = menu([["", "choose …"], ...examples.map((text) => [text, text])]);
  const size = html("input", { type: "range", min: 0, max: sizes.length - 1, step: 1 });
  const alpha = html("input", { type: "range", min: 0, max: 5, step: 0.25 });
  const sizeShown = html("span"); // no <output>: the label would name it, not the slider
  const alphaShown = html("span");
  const status = html("p", { role: "status" });
  const answer = html("div", { class: "dlbook-tagger-answer" });
  const root = group("tagger", "Tagger");
  root.append(
    html("label", {}, "Sentence", sentence),
    html("label", {}, "Examples", example),
    html("label", {}, html("span", {}, "Training sentences: ", sizeShown), size),
    html("label", {}, html("span", {}, "Smoothing α: ", alphaShown), alpha),
    status,
    answer,
  );
  el.append(root);

  function show() {
    const state = read(model, ["size", "alpha"]);
    const text = model.get("sentence");
    if (sentence.value !== text) sentence.value = text;
    example.value = examples.includes(text) ? text : "";
    const place = sizes.findIndex((n) => n >= state.size);
    size.value = place < 0 ? sizes.length - 1 : place;
    size.setAttribute("aria-valuetext", `${state.size} sentences`);
    alpha.value = state.alpha;
    sizeShown.textContent = state.size;
    alphaShown.textContent = state.alpha;
    const result = analyse({ training, tags, text, ...state });
    status.textContent = summary(result, state.size);
    answer.replaceChildren(table(result, tags));
  }

  sentence.addEventListener("input", () => save(model, { sentence: sentence.value }));
  sentence.addEventListener("keydown", (event) => event.stopPropagation()); // notebooks have keys too
  example.addEventListener("change", () => example.value && save(model, { sentence: example.value }));
  size.addEventListener("input", () => save(model, { size: sizes[Number(size.value)] }));
  alpha.addEventListener("input", () => save(model, { alpha: Number(alpha.value) }));

  const unlisten = listen(model, ["sentence", "size", "alpha"].map((name) => [name, show]));
  show();
  return unlisten;
}

export default { render, analyse };

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

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function labelled(text, control, output) {
  const label = element("label");
  const name = element("span", {}, text);
  if (output) name.append(" ", output);
  label.append(name, control);
  return label;
}

function sizesUpTo(last) {
  const sizes = [];
  for (let unit = 1; unit <= last; unit *= 10)
    for (const digit of [1, 2, 5]) if (digit * unit < last) sizes.push(digit * unit);
  return [...sizes, last];
}

function bars(row, tags) {
  const list = element("ul", { class: "dlbook-tagger-bars" });
  if (row.alone === null) {
    list.append(element("li", {}, "unseen: 0/0"));
    return list;
  }
  const order = tags.map((_, tag) => tag).sort((a, b) => row.distribution[b] - row.distribution[a]);
  for (const tag of order.filter((tag) => row.distribution[tag] >= 0.005).slice(0, 3)) {
    const item = element("li");
    const bar = element("span", { class: "dlbook-tagger-bar", "aria-hidden": "true" });
    const fill = element("span");
    fill.style.width = `${100 * row.distribution[tag]}%`;
    bar.append(fill);
    const title = element("span", { class: "dlbook-tagger-tag" }, tags[tag]);
    item.append(title, bar, element("span", {}, row.distribution[tag].toFixed(2)));
    list.append(item);
  }
  return list;
}

function table(result, tags) {
  const made = element("table");
  const head = element("tr");
  for (const text of ["Word", "P(tag | word)", "By word", "In context"])
    head.append(element("th", { scope: "col" }, text));
  made.append(head);
  for (const row of result.rows) {
    const line = element("tr");
    const distribution = element("td");
    distribution.append(bars(row, tags));
    const changed = row.inContext !== null && row.inContext !== row.alone;
    const context = row.inContext === null ? "none" : tags[row.inContext] + (changed ? " ←" : "");
    line.append(
      element("th", { scope: "row" }, row.known ? row.word : `${row.word} *`),
      distribution,
      element("td", {}, row.alone === null ? "none" : tags[row.alone]),
      element("td", changed ? { class: "dlbook-tagger-changed" } : {}, context),
    );
    made.append(line);
  }
  return made;
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

  const root = element("div", { class: "dlbook-tagger", role: "group", "aria-label": "Tagger" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const sentence = element("input", { type: "text", spellcheck: "false", autocomplete: "off" });
  const example = element("select");
  const size = element("input", { type: "range", min: 0, max: sizes.length - 1, step: 1 });
  const alpha = element("input", { type: "range", min: 0, max: 5, step: 0.25 });
  const sizeShown = element("span"); // no <output>: the label would name it, not the slider
  const alphaShown = element("span");
  const status = element("p", { role: "status" });
  const answer = element("div", { class: "dlbook-tagger-answer" });

  example.append(element("option", { value: "" }, "choose …"));
  for (const text of examples) example.append(element("option", { value: text }, text));
  root.append(
    labelled("Sentence", sentence),
    labelled("Examples", example),
    labelled("Training sentences:", size, sizeShown),
    labelled("Smoothing α:", alpha, alphaShown),
    status,
    answer,
  );
  el.append(root);

  function show() {
    const state = Object.fromEntries(["size", "alpha"].map((name) => [name, model.get(name)]));
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

  function change(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  sentence.addEventListener("input", () => change("sentence", sentence.value));
  sentence.addEventListener("keydown", (event) => event.stopPropagation()); // notebooks have keys too
  example.addEventListener("change", () => example.value && change("sentence", example.value));
  size.addEventListener("input", () => change("size", sizes[Number(size.value)]));
  alpha.addEventListener("input", () => change("alpha", Number(alpha.value)));

  const names = ["sentence", "size", "alpha"];
  for (const name of names) model.on(`change:${name}`, show);
  show();
  return () => names.forEach((name) => model.off(`change:${name}`, show));
}

export default { render, analyse };

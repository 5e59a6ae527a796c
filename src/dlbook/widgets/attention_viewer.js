// Attention of one word after another: weights from stored scores, lines, and a table of figures.

// ---- The mathematics --------------------------------------------------------------------------

// Softmax of the scores of one query; with a causal mask only over the keys up to itself.
function weightsOf(scores, query, causal) {
  const allowed = scores.map((_, key) => !causal || key <= query);
  const top = Math.max(...scores.filter((_, key) => allowed[key]));
  const powers = scores.map((score, key) => (allowed[key] ? Math.exp(score - top) : 0));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// The keys in the order of their weights, the largest first.
const ranked = (weights) =>
  weights.map((_, key) => key).sort((a, b) => weights[b] - weights[a] || a - b);

// How many words it looks at in effect: the exponential of the entropy of the weights.
function spread(weights) {
  const entropy = weights.reduce((sum, w) => (w > 0 ? sum - w * Math.log(w) : sum), 0);
  return Math.exp(entropy);
}

function summary(text, layer, head, query, causal) {
  const weights = weightsOf(text.scores[layer][head][query], query, causal);
  const best = ranked(weights).slice(0, 2).filter((key) => weights[key] >= 0.005);
  const looks = best.map((key) => `${text.keys[key]} ${weights[key].toFixed(2)}`).join(", ");
  return `Word ${query + 1}, ${text.queries[query]}, looks at ${looks}; ` +
    `in effect at ${spread(weights).toFixed(1)} words.`;
}

// ---- The page ---------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
let instances = 0; // radio buttons need a name of their own

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function labelled(text, control) {
  const label = element("label");
  label.append(element("span", {}, text), control);
  return label;
}

function options(select, names) {
  select.replaceChildren(...names.map((name, value) => element("option", { value }, name)));
}

function lines(text, weights, query) {
  const rows = Math.max(text.queries.length, text.keys.length);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 10 ${rows}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.style.height = `calc(${rows} * var(--dlbook-row))`;
  weights.forEach((weight, key) => {
    if (weight < 0.005) return;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", `M0,${query + 0.5} C5,${query + 0.5} 5,${key + 0.5} 10,${key + 0.5}`);
    path.setAttribute("stroke-width", 0.5 + 11.5 * weight);
    svg.append(path);
  });
  return svg;
}

function row(text, scores, weights, key, hidden) {
  const line = element("tr", hidden ? { class: "dlbook-attention-hidden" } : {});
  const weight = element("td");
  const bar = element("span", { class: "dlbook-attention-bar", "aria-hidden": "true" });
  bar.style.width = `calc(${weights[key]} * (100% - 0.8em))`;
  weight.append(element("span", {}, hidden ? "masked" : weights[key].toFixed(2)), bar);
  line.append(
    element("th", { scope: "row" }, text.keys[key]),
    element("td", {}, scores[key].toFixed(2).replace("-", "−")),
    weight,
  );
  return line;
}

function table(text, scores, weights, query, causal) {
  const made = element("table");
  const head = element("tr");
  for (const name of ["looks at", "q·k/√d", "weight"])
    head.append(element("th", { scope: "col" }, name));
  made.append(head);
  text.keys.forEach((_, key) =>
    made.append(row(text, scores, weights, key, causal && key > query)));
  return made;
}

function render({ model, el }) {
  const texts = model.get("texts");
  const name = `dlbook-attention-${(instances += 1)}`;

  const root = element("div", { class: "dlbook-attention", role: "group", "aria-label": "Attention" });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  const pickers = Object.fromEntries(["text", "layer", "head"].map((n) => [n, element("select")]));
  const causal = element("input", { type: "checkbox" });
  const status = element("p", { role: "status" });
  const words = element("fieldset");
  const link = element("div", { class: "dlbook-attention-lines" });
  const answer = element("div", { class: "dlbook-attention-table" });
  const picture = element("div", { class: "dlbook-attention-picture" });
  options(pickers.text, texts.map(({ title }) => title));
  picture.append(words, link, answer);
  const settings = element("div", { class: "dlbook-attention-settings" });
  settings.append(
    labelled("Text", pickers.text),
    labelled("Layer", pickers.layer),
    labelled("Head", pickers.head),
    labelled("Hide later words", causal),
  );
  root.append(settings, status, picture);
  el.append(root);

  function change(changes) {
    for (const [trait, value] of Object.entries(changes)) model.set(trait, value);
    model.save_changes();
  }

  let listed = null; // the text whose words stand on the left
  function list(text) {
    if (listed === text) return;
    listed = text;
    options(pickers.layer, text.scores.map((_, k) => `${k + 1}`));
    options(pickers.head, text.scores[0].map((_, k) => `${k + 1}`));
    words.replaceChildren(element("legend", {}, "word"));
    text.queries.forEach((word, query) => {
      const radio = element("input", { type: "radio", name, value: query });
      radio.addEventListener("change", () => change({ word: query }));
      const label = element("label");
      label.append(radio, element("span", {}, word));
      words.append(label);
    });
  }

  function show() {
    const text = texts[model.get("text")];
    list(text);
    const inside = (trait, n) => Math.min(model.get(trait), n - 1);
    const layer = inside("layer", text.scores.length);
    const head = inside("head", text.scores[0].length);
    const query = inside("word", text.queries.length);
    const square = text.queries.length === text.keys.length && text.queries[0] === text.keys[0];
    const masked = square && model.get("causal");
    pickers.text.value = model.get("text");
    pickers.layer.value = layer;
    pickers.head.value = head;
    causal.checked = masked;
    causal.disabled = !square;
    words.querySelectorAll("input")[query].checked = true;
    const scores = text.scores[layer][head][query];
    const weights = weightsOf(scores, query, masked);
    link.replaceChildren(lines(text, weights, query));
    answer.replaceChildren(table(text, scores, weights, query, masked));
    status.textContent = summary(text, layer, head, query, masked);
  }

  pickers.text.addEventListener("change", () => {
    const text = Number(pickers.text.value);
    change({ text, word: 0, causal: texts[text].causal });
  });
  pickers.layer.addEventListener("change", () => change({ layer: Number(pickers.layer.value) }));
  pickers.head.addEventListener("change", () => change({ head: Number(pickers.head.value) }));
  causal.addEventListener("change", () => change({ causal: causal.checked }));

  const traits = ["text", "layer", "head", "word", "causal"];
  for (const trait of traits) model.on(`change:${trait}`, show);
  show();
  return () => traits.forEach((trait) => model.off(`change:${trait}`, show));
}

export default { render, weightsOf, ranked, spread, summary };

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

let instances = 0; // radio buttons need a name of their own

function options(select, names) {
  select.replaceChildren(...names.map((name, value) => html("option", { value }, name)));
}

function lines(text, weights, query) {
  const rows = Math.max(text.queries.length, text.keys.length);
  const curves = weights.flatMap((weight, key) => (weight < 0.005 ? [] : [svg("path", {
    d: `M0,${query + 0.5} C5,${query + 0.5} 5,${key + 0.5} 10,${key + 0.5}`, "stroke-width": 0.5 + 11.5 * weight,
  })]));
  const drawn = svg("svg", { viewBox: `0 0 10 ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...curves);
  drawn.style.height = `calc(${rows} * var(--dlbook-row))`;
  return drawn;
}

function row(text, scores, weights, key, hidden) {
  const bar = html("span", { class: "dlbook-attention-bar", "aria-hidden": "true" });
  bar.style.width = `calc(${weights[key]} * (100% - 0.8em))`;
  return html("tr", hidden ? { class: "dlbook-attention-hidden" } : {},
    html("th", { scope: "row" }, text.keys[key]),
    html("td", {}, signed(scores[key].toFixed(2))),
    html("td", {}, html("span", {}, hidden ? "masked" : weights[key].toFixed(2)), bar));
}

function table(text, scores, weights, query, causal) {
  const head = ["looks at", "q·k/√d", "weight"].map((name) => html("th", { scope: "col" }, name));
  const rows = text.keys.map((_, key) => row(text, scores, weights, key, causal && key > query));
  return html("table", {}, html("tr", {}, ...head), ...rows);
}

function render({ model, el }) {
  const texts = model.get("texts");
  const name = `dlbook-attention-${(instances += 1)}`;

  const pickers = { text: menu(texts.map(({ title }, k) => [k, title])), layer: menu([]), head: menu([]) };
  const causal = html("input", { type: "checkbox" });
  const status = html("p", { role: "status" });
  const words = html("fieldset");
  const link = html("div", { class: "dlbook-attention-lines" });
  const answer = html("div", { class: "dlbook-attention-table" });
  const root = group("attention", "Attention");
  root.append(
    html("div", { class: "dlbook-attention-settings" },
      html("label", {}, "Text", pickers.text),
      html("label", {}, "Layer", pickers.layer),
      html("label", {}, "Head", pickers.head),
      html("label", {}, "Hide later words", causal)),
    status,
    html("div", { class: "dlbook-attention-picture" }, words, link, answer),
  );
  el.append(root);

  let listed = null; // the text whose words stand on the left
  function list(text) {
    if (listed === text) return;
    listed = text;
    options(pickers.layer, text.scores.map((_, k) => `${k + 1}`));
    options(pickers.head, text.scores[0].map((_, k) => `${k + 1}`));
    words.replaceChildren(html("legend", {}, "word"), ...text.queries.map((word, query) => {
      const radio = html("input", { type: "radio", name, value: query });
      radio.addEventListener("change", () => save(model, { word: query }));
      return html("label", {}, radio, html("span", {}, word));
    }));
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
    save(model, { text, word: 0, causal: texts[text].causal });
  });
  pickers.layer.addEventListener("change", () => save(model, { layer: Number(pickers.layer.value) }));
  pickers.head.addEventListener("change", () => save(model, { head: Number(pickers.head.value) }));
  causal.addEventListener("change", () => save(model, { causal: causal.checked }));

  const unlisten = listen(model, ["text", "layer", "head", "word", "causal"].map((name) => [name, show]));
  show();
  return unlisten;
}

export default { render, weightsOf, ranked, spread, summary };

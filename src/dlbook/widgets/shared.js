// What all widgets use. This text stands before a widget's own: see shared.py.

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Elements with attributes and children; a child is an element or a text.
function html(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// The outermost element of a widget.
function group(name, label) {
  const root = html("div", { class: `dlbook-widget dlbook-${name}`, role: "group", "aria-label": label });
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true"; // JupyterLab: keys are for the control, not for the notebook
  });
  return root;
}

function button(text, attributes = {}) {
  return html("button", { type: "button", ...attributes }, text);
}

// A list to choose from; each option is a value and its title.
function menu(options) {
  return html("select", {}, ...options.map(([value, title]) => html("option", { value }, title)));
}

// A sentence on what is shown, spoken when it changes.
function readout() {
  return html("p", { class: "readout", "aria-live": "polite" });
}

function read(model, names) {
  return Object.fromEntries(names.map((name) => [name, model.get(name)]));
}

function save(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// Each pair is an attribute's name and what to call when it changes; returns what ends that.
function listen(model, pairs) {
  for (const [name, listener] of pairs) model.on(`change:${name}`, listener);
  return () => {
    for (const [name, listener] of pairs) model.off(`change:${name}`, listener);
  };
}

function within(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function signed(text) {
  return String(text).replace("-", "−");
}

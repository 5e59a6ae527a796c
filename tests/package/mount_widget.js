// Renders a widget's module in an empty page, with a model that stands in for Jupyter's.
async ([address, state]) => {
  const listeners = {};
  window.state = state;
  const model = {
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
      (listeners[`change:${name}`] ?? []).forEach((listener) => listener());
    },
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    off: (name, listener) => (listeners[name] = listeners[name].filter((l) => l !== listener)),
    save_changes: () => {},
  };
  window.model = model;
  document.body.innerHTML = "";
  const style = document.body.appendChild(document.createElement("style"));
  style.textContent = state.css;
  const el = document.body.appendChild(document.createElement("main"));
  window.leave = (await import(address)).default.render({ model, el });
  window.listening = () => Object.values(listeners).flat().length;
}

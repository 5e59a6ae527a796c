// Hosts anywidgets on a page without a kernel. All that a widget needs is in its state, its module
// (_esm) and style sheet (_css) too; a script before this one holds the states.
(() => {
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const states = globalThis.widgetStates ?? {};

  // The part of Backbone's model that a widget may use.
  class Model {
    #values;
    #listeners = new Map();
    #changed = new Map();

    constructor(values) {
      this.#values = values;
    }
    get(name) {
      return this.#values[name];
    }
    set(name, value) {
      const changes = typeof name === "object" ? name : { [name]: value };
      for (const [key, next] of Object.entries(changes)) {
        if (Object.is(this.#values[key], next)) continue;
        this.#values[key] = next;
        this.#changed.set(key, next);
        this.#emit(`change:${key}`, this, next);
      }
      if (this.#changed.size) this.#emit("change", this);
      this.#changed.clear();
    }
    on(names, listener) {
      for (const name of names.split(/\s+/)) {
        if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
        this.#listeners.get(name).add(listener);
      }
      return this;
    }
    off(names, listener) {
      if (!names) this.#listeners.clear();
      else {
        for (const name of names.split(/\s+/)) {
          if (listener) this.#listeners.get(name)?.delete(listener);
          else this.#listeners.delete(name);
        }
      }
      return this;
    }
    changedAttributes() {
      return this.#changed.size ? Object.fromEntries(this.#changed) : false;
    }
    save_changes() {} // nobody to save to
    send() {}
    #emit(name, ...details) {
      for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(...details);
    }
  }

  // One model for all views of a widget; its module is imported and initialised once.
  const hosts = new Map();
  function host(id) {
    if (!hosts.has(id)) hosts.set(id, load(states[id].state));
    return hosts.get(id);
  }
  async function load(values) {
    const model = new Model(values);
    const address = URL.createObjectURL(new Blob([values._esm], { type: "text/javascript" }));
    let widget;
    try {
      const module = await import(address);
      widget = module.default ?? module;
    } finally {
      URL.revokeObjectURL(address);
    }
    if (typeof widget === "function") widget = await widget();
    await widget.initialize?.({ model, experimental });
    return { model, widget };
  }
  const experimental = { invoke: () => Promise.reject(new Error("there is no kernel behind this page")) };

  const sheets = new Set();
  function dress(css) {
    if (!css || sheets.has(css)) return;
    sheets.add(css);
    const sheet = new CSSStyleSheet(); // which strict pages allow, other than an element <style>
    sheet.replaceSync(css);
    document.adoptedStyleSheets.push(sheet);
  }

  async function start(place, id) {
    try {
      if (!states[id]) throw new Error("the page has no state of it");
      dress(states[id].state._css);
      const { model, widget } = await host(id);
      place.replaceChildren();
      await widget.render({ model, el: place, experimental });
    } catch (error) {
      place.replaceChildren();
      const message = document.createElement("p");
      message.className = "widget-trouble";
      message.textContent = `This figure could not be brought to life in your browser (${error.message}). The notebook of this page runs it in Jupyter.`;
      place.append(message);
      console.warn(error);
    } finally {
      place.classList.remove("waiting");
      place.removeAttribute("aria-busy");
    }
  }

  // A widget starts when it comes near, in a place that was kept free for it.
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        start(target, target.dataset.model);
      }
    },
    // on paper nothing comes near by scrolling
    { rootMargin: "eager" in document.documentElement.dataset ? "9999999px" : "800px 0px" },
  );
  for (const script of document.querySelectorAll(VIEW)) {
    const place = document.createElement("div");
    place.className = "widget waiting";
    place.setAttribute("aria-busy", "true");
    place.dataset.model = JSON.parse(script.textContent).model_id;
    script.after(place);
    near.observe(place);
  }
})();

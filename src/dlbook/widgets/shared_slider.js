// A slider and its value in words; `show` is to be called when the value may have changed.
function slider(title, range, { get, set, say }) {
  const input = html("input", { type: "range", ...range });
  const text = html("span");
  input.addEventListener("input", () => set(Number(input.value)));
  const show = () => {
    input.value = get();
    text.textContent = say();
    input.setAttribute("aria-valuetext", say());
  };
  return { label: html("label", { class: "slider" }, title, input, text), show };
}

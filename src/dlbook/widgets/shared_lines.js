// Lines with markers, and numbers over many powers of ten.

// A line through places in pixels; with a marker, a path around (0, 0), at some of them and the last.
function markedLine(kind, places, marker) {
  const every = Math.max(10, 10 * Math.ceil(places.length / 100));
  const texts = places.map((place) => place.map((p) => p.toFixed(1)));
  const marked = texts.filter((_, k) => k === texts.length - 1 || (k && k % every === 0));
  return svg("g", { class: kind },
    svg("polyline", { class: "path", points: texts.join(" ") }),
    ...marked.map(([x, y]) => svg("path", { class: "marker", d: marker, transform: `translate(${x} ${y})` })));
}

function sampleOfLine(kind, marker) {
  return svg("svg", { class: kind, viewBox: "-17 -8 34 16", "aria-hidden": "true" },
    svg("path", { class: "path", d: "M-17 0H17" }), svg("path", { class: "marker", d: marker }));
}

function powerOfTen(power) {
  const digits = [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  return power ? `10${digits.join("")}` : "1";
}

// Few digits, with a power of ten where they are not enough.
function scientific(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e4 || size < 1e-3) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits} × ${powerOfTen(Number(power))}`;
  }
  return signed(value.toFixed(size < 1 ? 3 : size < 100 ? 2 : 0));
}

// Level lines of a function on a grid of points, whose values stand row by row in one list.

// Pieces of the line where `values` are zero, each [x1, y1, x2, y2] in cells (marching squares).
export function zeroLine(values, columns) {
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const pieces = [];
  for (let row = 0; (row + 2) * columns <= values.length; row += 1) {
    for (let column = 0; column + 1 < columns; column += 1) {
      const heights = corners.map(([dx, dy]) => values[(row + dy) * columns + column + dx]);
      const ends = [];
      corners.forEach(([dx, dy], k) => {
        const [from, to] = [heights[k], heights[(k + 1) % 4]];
        if (from > 0 === to > 0) return;
        const [ex, ey] = corners[(k + 1) % 4];
        const share = from / (from - to);
        ends.push([column + dx + share * (ex - dx), row + dy + share * (ey - dy)]);
      });
      for (let k = 0; k + 1 < ends.length; k += 2) pieces.push([...ends[k], ...ends[k + 1]]);
    }
  }
  return pieces;
}

// What draws such pieces: `x` and `y` say where in the drawing a number of cells lies.
function pathOf(pieces, x, y = x) {
  const text = ([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`;
  return pieces.map((ends) => `M${text(ends)}L${text(ends.slice(2))}`).join("");
}

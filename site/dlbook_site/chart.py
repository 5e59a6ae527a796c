"""Draws boxes in bands with lines from each to what it needs: a small layered layout.

Rows run from top to bottom, each band takes as many as it needs, and every line goes down. Lines
that cross rows are led through them by points that take part in the layout (Sugiyama's method);
what is implied by other lines is not drawn. The result is an SVG of links, styled by the page.
"""

import textwrap
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 738  # at least; as many pixels as the column of text has, so that letters keep their size
SIDE = 126  # for the bands' titles
BOX = 138
GAP = 16
POINT = 12  # room for a line that passes
AT_MOST = 4  # boxes in a row
LETTERS = 18  # in a line of a title
LINE = 17
BETWEEN = 46  # rows


@dataclass(frozen=True)
class Box:
    """A node of the map: its texts, where it leads, its name for screen readers, its needs."""

    title: str
    note: str
    address: str
    label: str
    needs: list


def rows(bands, needs):
    """The row of each box: in its band, below what it needs, at most `AT_MOST` in a row.

    Parameters
    ----------
    bands : list of list of str
        Names of boxes; a box stands after those that it needs.
    needs : dict of str to list of str

    Returns
    -------
    dict of str to int
    """
    found, count, first = {}, {}, 0
    for names in bands:
        for name in names:
            row = max([first] + [found[each] + 1 for each in needs[name] if each in found])
            while count.get(row, 0) >= AT_MOST:
                row += 1
            found[name] = row
            count[row] = count.get(row, 0) + 1
        first = max([first - 1] + [found[name] for name in names]) + 1
    return found


def direct(needs):
    """`needs` without what follows from the rest."""

    def reached(name):
        return set().union(*({each} | reached(each) for each in needs[name]), set())

    return {
        name: [each for each in told if not any(each in reached(other) for other in told)]
        for name, told in needs.items()
    }


def crossings(upper, lower, pairs):
    """How often lines between two rows cross."""
    places = [(upper.index(a), lower.index(b)) for a, b in pairs if a in upper and b in lower]
    return sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(places) for c, d in places[:i])


def _spread(wanted, halves, width):
    """Places as near as can be to those wanted (least squares), in order and without overlaps."""
    offsets = [halves[0]]
    for left, right in pairwise(halves):
        offsets.append(offsets[-1] + left + right + GAP)
    blocks = []  # runs of boxes that touch: [sum, count]
    for each, offset in zip(wanted, offsets, strict=True):
        blocks.append([each - offset, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    shifts = [total / count for total, count in blocks for _ in range(count)]
    room = width - offsets[-1] - halves[-1]
    return [
        min(max(shift, 0), room) + offset for shift, offset in zip(shifts, offsets, strict=True)
    ]


def layout(bands, needs):
    """Where boxes and lines go.

    Returns
    -------
    tuple
        ``rows`` (dict of name to row), ``x`` (dict of name, or of (name, row) for a point that a
        line passes, to the middle), ``lines`` (list of lists of such keys, from the box needed to
        the box that needs it) and the width.
    """
    needs = direct(needs)
    row_of = rows(bands, needs)
    names = [name for band in bands for name in band]
    grid = [[] for _ in range(max(row_of.values()) + 1)]
    for name in names:
        grid[row_of[name]].append(name)
    lines, pairs = [], set()
    for name in names:
        for needed in needs[name]:
            # lines of one box share their points: a trunk with branches
            points = [(needed, row) for row in range(row_of[needed] + 1, row_of[name])]
            line = [needed, *points, name]
            for point in points:
                if point not in grid[point[1]]:
                    grid[point[1]].append(point)
            lines.append(line)
            pairs.update(pairwise(line))
    pairs = sorted(pairs, key=str)
    near = {}
    for a, b in pairs:
        near.setdefault(b, ([], []))[0].append(a)
        near.setdefault(a, ([], []))[1].append(b)

    def crossed(state):
        return sum(crossings(state[i], state[i + 1], pairs) for i in range(len(state) - 1))

    best = [list(row) for row in grid]
    for turn in range(12):
        down = turn % 2 == 0
        for i in range(len(grid)) if down else reversed(range(len(grid))):
            other = i - 1 if down else i + 1
            if 0 <= other < len(grid):
                place = {key: (k + 0.5) / len(grid[other]) for k, key in enumerate(grid[other])}
                own = {key: (k + 0.5) / len(grid[i]) for k, key in enumerate(grid[i])}

                def middle(key, place=place, own=own, side=0 if down else 1):
                    seen = [place[each] for each in near.get(key, ([], []))[side]]
                    return sum(seen) / len(seen) if seen else own[key]

                grid[i] = sorted(grid[i], key=middle)
        if crossed(grid) < crossed(best):
            best = [list(row) for row in grid]
    grid = best

    halves = {key: BOX / 2 if key in row_of else POINT / 2 for row in grid for key in row}
    full = [sum(2 * halves[key] + GAP for key in row) - GAP for row in grid]
    width = max([WIDTH - SIDE, *full])
    x = {}
    for row, taken in zip(grid, full, strict=True):
        left = (width - taken) / 2
        for key in row:
            x[key] = left + halves[key]
            left += 2 * halves[key] + GAP
    for turn in range(40):
        for row in grid if turn % 2 == 0 else reversed(grid):
            wanted = []
            for key in row:
                above, below = near.get(key, ([], []))
                seen = [x[each] for each in above + below]
                wanted.append(sum(seen) / len(seen) if seen else x[key])
            placed = _spread(wanted, [halves[key] for key in row], width)
            x.update(zip(row, placed, strict=True))
    left = min(x[key] - halves[key] for key in x)
    right = max(x[key] + halves[key] for key in x)
    x = {key: place + (width - left - right) / 2 for key, place in x.items()}
    return row_of, x, lines, width


def draw(bands, boxes, name):
    """The map as SVG.

    Parameters
    ----------
    bands : list of (str, str, list of str)
        Title of each band, a note on it, and the names of its boxes.
    boxes : dict of str to Box
    name : str
        What the whole is called.

    Returns
    -------
    str
    """
    row_of, x, lines, width = layout(
        [names for *_, names in bands], {name: box.needs for name, box in boxes.items()}
    )
    titles = {key: _lines(box.title) for key, box in boxes.items()}
    height = LINE * (max(map(len, titles.values())) + 1) + 16
    x = {key: SIDE + place for key, place in x.items()}
    width += SIDE
    last = max(row_of.values())
    top = [2 + row * (height + BETWEEN) for row in range(last + 1)]
    whole = top[last] + height + 2

    out = [
        f'<svg class="chapter-map" viewBox="0 0 {width:.0f} {whole:.0f}" role="group" '
        f'aria-label="{escape(name)}">'
    ]
    for title, note, names in bands:
        upper = top[min(row_of[key] for key in names)]
        if upper > top[0]:
            out.append(f'<path class="rule" d="M0 {upper - BETWEEN / 2:.0f}H{width:.0f}"/>')
        texts = [*textwrap.wrap(title, 15), note]
        for i, text in enumerate(texts):
            style = "band note" if i == len(texts) - 1 else "band"
            y = upper + LINE * (i + 1)
            out.append(f'<text class="{style}" x="0" y="{y}">{escape(text)}</text>')
    for key, box in boxes.items():
        middle, upper = x[key], top[row_of[key]]
        out.append(f'<a href="{escape(box.address)}" aria-label="{escape(box.label)}">')
        out += [
            f'<path class="need" d="{_path(line, x, row_of, top, height)}"/>'
            for line in lines
            if line[-1] == key
        ]
        out.append(
            f'<rect x="{middle - BOX / 2:.1f}" y="{upper:.1f}" width="{BOX}" '
            f'height="{height}" rx="5"/>'
        )
        texts = [*titles[key], box.note]
        first = upper + (height - LINE * len(texts)) / 2 + 12.5
        for i, text in enumerate(texts):
            style = ' class="note"' if i == len(texts) - 1 else ""
            out.append(
                f'<text{style} x="{middle:.1f}" y="{first + LINE * i:.1f}">{escape(text)}</text>'
            )
        out.append("</a>")
    out.append("</svg>")
    return "\n".join(out)


def _lines(title):
    """A title in as few lines as fit, none much shorter than the others."""
    widths = range(LETTERS, 0, -1)
    fewest = len(textwrap.wrap(title, LETTERS, break_long_words=False))
    wrapped = (textwrap.wrap(title, width, break_long_words=False) for width in widths)
    return [lines for lines in wrapped if len(lines) == fewest][-1]


def _path(line, x, rows, top, height):
    """From the lower edge of the first box, through the points, to the upper edge of the last."""
    row = rows[line[0]]
    drawn = [f"M{x[line[0]]:.1f} {top[row] + height:.1f}"]
    for left, entered in pairwise(line):
        start, end = top[row] + height, top[row + 1]
        half = (start + end) / 2
        drawn.append(
            f"C{x[left]:.1f} {half:.1f} {x[entered]:.1f} {half:.1f} {x[entered]:.1f} {end:.1f}"
        )
        row += 1
        if entered != line[-1]:
            drawn.append(f"V{end + height:.1f}")
    return "".join(drawn)

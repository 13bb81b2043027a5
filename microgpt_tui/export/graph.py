"""The graph around a scalar as SVG, laid out as the pane lays it out, and as DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rich.cells import cell_len

from microgpt_tui.debugger.graph import BOX, Box, GraphNode, More, Neighbourhood, placed, placed_edges
from microgpt_tui.drawing.numbers import number
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.drawing.theme import Colours
from microgpt_tui.export.svg import BASE, CELL, FONTS, LINE, MARGIN, SIZE
from microgpt_tui.texts.say import say

GAP = 14  # cells between columns
LEAST = 22  # cells of a box


def svg_graph(graph: Neighbourhood, title: str, colours: Colours) -> str:
    """One file that loads nothing: boxes with name, operation, value and gradient, and local gradients on the lines."""
    layout = placed(graph)
    widths = dict.fromkeys(layout.columns, LEAST)
    for box in layout.boxes:
        widths[box.column] = max(widths[box.column], cell_len(box.node.name) + cell_len(box.node.operation) + 4)
    x, left = {}, 0
    for column, size in widths.items():
        x[column] = left
        left += size + GAP
    width, height = (left - GAP) * CELL + 2 * MARGIN, layout.height * LINE + 2 * MARGIN
    drawn, labels = [], []  # on the lines, each on a ground of its own
    for child, user in placed_edges(layout):
        tree = layout.outer(child, user).subtree
        a, b = (x[child.column] + widths[child.column]) * CELL, x[user.column] * CELL
        ya, yb, middle = _middle(child), _middle(user), (a + b) / 2
        drawn.append(
            f'<path d="M{a} {ya:g}C{middle:g} {ya:g} {middle:g} {yb:g} {b} {yb:g}" fill="none" stroke="{colours.dim}"/>'
        )
        if tree.local is not None:
            text = f"{tree.times}×" * (tree.times > 1) + number(tree.local)
            at = a + 4 if child.column < 0 else b - 4
            labels.append(_text(text, at, (ya if child.column < 0 else yb) - 4, _sign(tree.local, colours),
                               "start" if child.column < 0 else "end"))  # fmt: skip
    for box in layout.boxes:
        drawn += _box(box, x[box.column] * CELL, widths[box.column] * CELL, colours)
    for more in layout.folded:
        drawn.append(_text(_more(more), x[more.column] * CELL, more.y * LINE + BASE, colours.dim))
    halo = f'<g stroke="{colours.background}" stroke-width="5" stroke-linejoin="round" paint-order="stroke">'
    body = "\n".join([*drawn, halo, *labels, "</g>"])
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="{-MARGIN} {-MARGIN} {width} {height}" role="img">
<title>{escape(printable(title))}</title>
<rect x="{-MARGIN}" y="{-MARGIN}" width="{width}" height="{height}" fill="{colours.background}"/>
<g font-family="{FONTS}" font-size="{SIZE}">
{body}
</g>
</svg>
"""


def _middle(box: Box) -> float:
    return (box.y + BOX / 2) * LINE


def _sign(value: float, colours: Colours) -> str:
    return colours.plus if value > 0 else colours.minus if value < 0 else colours.dim


def _more(more: More) -> str:
    """What stands for scalars that are folded: how many they are and, if it is known, their sum."""
    if more.rest is None:
        return say("export.graph.more", count=more.count)
    return say("export.graph.more_together", count=more.count, sum=number(more.rest))


def _text(text: str, x: float, y: float, colour: str, anchor: str = "start") -> str:
    said = escape(printable(text), quote=False)
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{said}</text>'


def _box(box: Box, x: int, width: int, colours: Colours) -> Iterator[str]:
    node, y = box.node, box.y * LINE
    stroke = colours.now if node.new else colours.strong if box.column == 0 else colours.border
    yield (
        f'<rect x="{x}" y="{y + 3}" width="{width}" height="{BOX * LINE - 6}" rx="5" fill="{colours.panel}" '
        f'stroke="{stroke}" stroke-width="{2 if box.column == 0 else 1}"/>'
    )
    yield _text(node.name, x + 6, y + 3 + BASE + 2, colours.strong if box.column == 0 else colours.text)
    yield _text(node.operation, x + width - 6, y + 3 + BASE + 2, colours.text, "end")
    below = y + LINE + 3 + BASE + 2
    data = "·" if node.data is None else number(node.data)
    yield _text(data, x + 6, below, colours.dim if node.data is None else _sign(node.data, colours))
    if not node.plain:
        grad = "·" if node.grad is None else number(node.grad)
        colour = colours.dim if node.grad is None else _sign(node.grad, colours)
        yield _text(f"∂ {grad}", x + width - 6, below, colour, "end")


def dot_graph(graph: Neighbourhood, title: str) -> str:
    """A digraph from children to users, each scalar once."""
    layout = placed(graph)
    nodes = {box.node.row: box.node for box in layout.boxes}
    nodes[graph.node.row] = graph.node
    lines = [f"  n{row} [label={_quoted(_label(node))}{', penwidth=2' * (node is graph.node)}];"
             for row, node in nodes.items()]  # fmt: skip
    joined: dict[tuple[int, int], str] = {}
    for child, user in placed_edges(layout):
        tree = layout.outer(child, user).subtree
        times = f"{tree.times}×" * (tree.times > 1)
        joined[child.node.row, user.node.row] = "" if tree.local is None else times + number(tree.local)
    lines += [f"  n{child} -> n{user} [label={_quoted(label)}];" for (child, user), label in joined.items()]
    for i, more in enumerate(layout.folded):
        lines.append(f"  more{i} [shape=plaintext, label={_quoted(_more(more))}];")
        ends = (f"more{i}", f"n{more.inward.node.row}")
        child_end, user_end = ends if more.column < 0 else ends[::-1]
        lines.append(f"  {child_end} -> {user_end} [style=dashed];")
    body = "\n".join(lines)
    return f"digraph {_quoted(printable(title))} {{\n  rankdir=LR;\n  node [shape=box];\n{body}\n}}\n"


def _label(node: GraphNode) -> str:
    """Name and operation, value, gradient, one below the other."""
    said = [f"{printable(node.name)}   {node.operation}".rstrip(), "·" if node.data is None else number(node.data)]
    return "\n".join(said if node.plain else [*said, f"∂ {'·' if node.grad is None else number(node.grad)}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

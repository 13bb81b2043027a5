"""A film as one SVG that moves by its style sheet, as pictures in a page may: without a script, loading nothing.

What is the same on several frames stands in the file once. Where it does not move, as on a system that asks for less
motion, it shows the first frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from microgpt_tui.export.film import FilmFrame
from microgpt_tui.export.screenshot import Screenshot
from microgpt_tui.export.svg import Drawn, background_group, backgrounds, drawn_texts, file, text_group

Times = tuple[int, ...]
"""The frames on which something is seen."""


def animated_svg(title: str, frames: Sequence[FilmFrame], once: bool = False) -> str:
    """The file. All frames are of one size and theme. It begins again at its end, or, played `once`, stays there."""
    first = frames[0].shot
    under, over = _layer(frames, backgrounds), _layer(frames, drawn_texts)
    names = {times: f"f{place}" for place, times in enumerate(dict.fromkeys((*under, *over)))}
    names.pop(tuple(range(len(frames))), None)  # always seen
    parts = [_style(names, frames, once), *_groups(under, names, background_group), *_groups(over, names, text_group)]
    return file(title, first.width, len(first.lines), first.colours.background, "\n".join(parts))


def _layer(frames: Iterable[FilmFrame], draw: Callable[[Screenshot], Iterable[Drawn]]) -> dict[Times, list[Drawn]]:
    """What is drawn, by the frames on which it is seen."""
    seen: dict[Drawn, list[int]] = {}
    for place, frame in enumerate(frames):
        for drawn in dict.fromkeys(draw(frame.shot)):
            seen.setdefault(drawn, []).append(place)
    alike: dict[Times, list[Drawn]] = {}
    for drawn, times in seen.items():
        alike.setdefault(tuple(times), []).append(drawn)
    return alike


def _groups(
    layer: dict[Times, list[Drawn]], names: dict[Times, str], group: Callable[[Iterable[Drawn]], str]
) -> Iterator[str]:
    for times, drawn in layer.items():
        name = names.get(times)
        yield f'<g class="{name}">{group(drawn)}</g>' if name else group(drawn)


def _style(names: dict[Times, str], frames: Sequence[FilmFrame], once: bool) -> str:
    """When each class is seen."""
    if not names:
        return ""
    length = frames[-1].end
    turns = "1 forwards" if once else "infinite"
    rules = [
        f"[class]{{animation:{length:g}s step-end {turns}}}",
        "@media(prefers-reduced-motion:reduce){[class]{animation:none}}",
    ]
    for times, name in names.items():
        seen = set(times)
        changes: dict[bool, list[str]] = {}
        for place, frame in enumerate(frames):
            if place == 0 or (place in seen) != (place - 1 in seen):
                changes.setdefault(place in seen, []).append(f"{100 * frame.begin / length:.6g}%")
        changes.setdefault(len(frames) - 1 in seen, []).append("100%")
        keys = "".join(
            f"{','.join(at)}{{visibility:{'visible' if on else 'hidden'}}}" for on, at in sorted(changes.items())
        )
        hidden = "" if 0 in seen else "visibility:hidden;"
        rules.append(f".{name}{{{hidden}animation-name:{name}}}@keyframes {name}{{{keys}}}")
    return "<style>{}</style>".format("\n".join(rules))

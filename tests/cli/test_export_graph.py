"""export --graph: every scalar of the graph, in DOT that is whole and SVG that is well-formed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.commands import SMALL, error_of, invoke

MOMENTS = {"q[0,0]@pos=1": "1 backward end", "attn_weights[0,1,0]@pos=1": "1 forward end", "wte[0,1]": "0"}


def graph(scalar: str, form: str, *more: str) -> str:
    moment = MOMENTS.get(scalar, "0 forward end")
    result = invoke("export", "--moment", moment, "--graph", scalar, "--format", form, *more, *SMALL)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes.decode()


@pytest.mark.parametrize("scalar", [*MOMENTS, "loss", "probs[0]@pos=0"])
def test_dot_names_every_node_and_svg_is_well_formed(scalar: str) -> None:
    dot = graph(scalar, "dot")
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)
    assert '"' not in bare
    assert bare.count("{") == bare.count("}") == 1
    assert bare.count("[") == bare.count("]")
    nodes = set(re.findall(r"^  (\w+) \[(?:shape|label)", dot, re.MULTILINE))
    ends = {end for edge in re.findall(r"^  (\w+) -> (\w+)", dot, re.MULTILINE) for end in edge}
    assert ends <= nodes
    picture = ET.fromstring(graph(scalar, "svg"))
    words = {"".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    names = {label.split("   ")[0] for label in re.findall(r'n\d+ \[label="(.*?)(?:\\n|")', dot)}
    assert names <= words
    assert len(names) > 1 or scalar == "wte[0,1]"


def test_more_steps_show_more_nodes() -> None:
    sizes = [graph("q[0,0]@pos=1", "dot", "--steps", str(steps)).count(" -> ") for steps in (1, 2, 3)]
    assert sizes == sorted(set(sizes))


def test_the_graph_format_follows_from_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "g.dot"
    result = invoke("export", "--graph", "loss", "-o", path, *SMALL)
    assert result.exit_code == 0
    assert result.stdout == f"{path}\n"
    assert path.read_text("utf-8").startswith("digraph")


def test_nothing_is_said_to_be_written_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "g.dot"
    result = invoke("export", "--graph", "loss", "-o", path, *SMALL)
    assert "there is no folder" in error_of(result)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--graph", "loss", "--format", "html"), "svg or dot"),
        (("--format", "dot"), "--graph alone"),
        (("--steps", "2"), "goes with --graph"),
        (("--graph", "loss", "--pane", "stage"), "leave them out"),
        (("--graph", "nothing[0]"), "nothing"),
    ],
)
def test_a_graph_that_is_too_large_is_refused(options: tuple[str, ...], words: str) -> None:
    result = invoke("export", *options, *SMALL)
    assert result.exit_code == 2
    assert words in error_of(result)

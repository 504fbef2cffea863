"""The picture of the assets in the README: up to date, whole, and small."""

import re
from pathlib import Path
from xml.etree import ElementTree

from click.testing import CliRunner

from kc_pipeline.cli import main
from kc_pipeline.cli_operation import GRAPH
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.graph import picture

DEFS = build_defs(environ={})
SVG = "{http://www.w3.org/2000/svg}"
PAGE = Path(__file__).parents[2] / "README.md"


def test_the_committed_picture_is_that_of_the_definitions() -> None:
    """If it is not: kc graph."""
    assert GRAPH.read_text(encoding="utf-8") == picture(DEFS)
    assert f"](docs/{GRAPH.name})" in PAGE.read_text(encoding="utf-8")


def test_every_asset_has_its_box_and_no_two_lie_on_one_another() -> None:
    boxes = {}
    for group in ElementTree.fromstring(picture(DEFS)).iter(f"{SVG}g"):  # noqa: S314 - our own text
        box = group.find(f"{SVG}rect").attrib
        boxes[group.find(f"{SVG}title").text] = tuple(float(box[name]) for name in ("x", "y", "width", "height"))
    assert set(boxes) == {key.to_user_string() for key in DEFS.resolve_asset_graph().get_all_asset_keys()}
    placed = sorted(boxes.values())
    for one, (x, y, wide, high) in enumerate(placed):
        assert not any(a < x + wide and b < y + high and y < b + d for a, b, _, d in placed[one + 1 :])


def test_lines_lead_to_what_an_asset_is_made_from_and_say_nothing_twice() -> None:
    drawn = picture(DEFS)
    edges = sum(len(DEFS.resolve_asset_graph().get(key).parent_keys) for key in DEFS.resolve_asset_graph().get_all_asset_keys())
    assert 60 < len(re.findall("<path", drawn)) < edges
    assert len(drawn) < 50_000


def test_the_command_writes_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["graph", "--to", str(tmp_path / "graph.svg")])
    assert (done.exit_code, done.output) == (0, f"wrote {tmp_path / 'graph.svg'}\n")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == picture(DEFS)

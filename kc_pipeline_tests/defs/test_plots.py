"""Plots and tables of rates in materialization metadata."""

import base64
from xml.etree import ElementTree

import pytest

from kc_pipeline.defs.metadata import rates_metadata
from kc_pipeline.defs.plots import stacked_bars

RATES = {"police_reports": {"EXACT": 1.0, "BLOCK": 3.0}, "a & b <c>": {"EXACT": 5.0}, "nothing": {}}


def drawn(markdown: str) -> ElementTree.Element:
    head, _, code = markdown.removesuffix(")").partition("base64,")
    assert head == "![shares](data:image/svg+xml;"
    return ElementTree.fromstring(base64.b64decode(code))  # noqa: S314 - our own


def test_bars_are_as_wide_as_the_shares_and_a_part_keeps_its_color() -> None:
    picture = drawn(str(stacked_bars(RATES, "shares").value))
    bars = [
        (float(bar.get("width", 0)), bar.get("fill"))
        for bar in picture.iter("{http://www.w3.org/2000/svg}rect")
        if bar.get("height") == "17"
    ]
    exact, block, other = bars
    assert block[0] == pytest.approx(3 * exact[0])
    assert other[0] == pytest.approx(exact[0] + block[0])
    assert exact[1] == other[1] != block[1]
    assert "a & b <c>" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_rates_are_told_as_a_table_and_as_numbers_over_time() -> None:
    told = rates_metadata(RATES, "precision")
    assert told["share_police_reports_BLOCK"] == 0.75
    assert "| police_reports | BLOCK | 3 | 75.0% |" in told["precision_table"].value
    assert set(told) == {
        "precision_table",
        "precision_plot",
        "share_police_reports_EXACT",
        "share_police_reports_BLOCK",
        "share_a & b <c>_EXACT",
    }

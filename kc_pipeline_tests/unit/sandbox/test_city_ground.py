"""Streets, blocks, parcels and draws of the synthetic city."""

from datetime import date

import numpy as np
import pytest
import shapely

from kc_pipeline.sandbox.draws import draw_days, poisson, row_ids
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import REPORT_KINDS
from kc_pipeline.sandbox.incidents import reports
from kc_pipeline.sandbox.layout import Layout, lay_out
from kc_pipeline.sandbox.published import next_month_day, next_weekday, street_texts
from kc_pipeline.sandbox.registers import fill_registers
from kc_pipeline.sandbox.street_names import avenue, cross_street, ordinal
from kc_pipeline.sandbox.truth import EFFECTS, plant

SEED = 230_573


@pytest.fixture(scope="module")
def layout() -> Layout:
    return lay_out(0.01, SEED)


def test_parcels_do_not_overlap(layout: Layout) -> None:
    p = layout.parcels
    boxes = shapely.box(p["x0"].to_numpy(), p["y0"].to_numpy(), p["x1"].to_numpy(), p["y1"].to_numpy())
    assert (shapely.area(boxes) > 100).all()
    assert shapely.area(boxes).sum() == pytest.approx(shapely.area(shapely.union_all(boxes)), rel=1e-9)
    lines = shapely.linestrings([[(f.x0, f.y0), (f.x1, f.y1)] for f in layout.faces.itertuples()])
    assert len(shapely.STRtree(boxes).query(lines, predicate="intersects")[0]) == 0


def test_addresses_are_unique_and_lie_within_their_segments_numbers(layout: Layout) -> None:
    p = layout.parcels
    assert p["address"].is_unique
    assert p["kiva_pin"].is_unique
    faces = layout.faces.iloc[p["face"].to_numpy()]
    number = p["number"].to_numpy()
    assert ((number >= faces["low"].to_numpy()) & (number <= faces["high"].to_numpy())).all()


def test_the_express_stops_lot_is_at_tenth_and_locust(layout: Layout) -> None:
    parcel = layout.parcels.loc[layout.express_stop]
    assert (parcel["address"], parcel["kind"], parcel["zip_code"]) == ("1000 Locust St", "commercial", "64106")
    longitude, latitude = to_degrees(np.array([parcel["x"]]), np.array([parcel["y"]]))
    assert longitude[0] == pytest.approx(-94.5755, abs=0.0006)
    assert latitude[0] == pytest.approx(39.1018, abs=0.0006)
    node = layout.nodes.loc[parcel["node"]]
    assert (node["avenue"], node["street"]) == ("Locust St", "E 10th St")


def test_police_texts_round_to_the_block(layout: Layout) -> None:
    texts = street_texts(layout)
    parcel = layout.parcels.loc[layout.express_stop]
    assert texts.blocks[parcel["face"]] == "1000  LOCUST ST"
    assert texts.crossings[parcel["node"]] == "E 10TH ST and LOCUST ST"
    assert texts.old_crossings[parcel["node"]] == "E 10 ST and LOCUST ST"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        (avenue(0, north=False), "Main St"),
        (avenue(4, north=True), "N Oak Trfy"),
        (avenue(16, north=False), "Paseo"),
        (cross_street(10, east=True, north=False, terrace=False), "E 10th St"),
        (cross_street(10, east=False, north=False, terrace=False), "W 10th St"),
        (cross_street(14, east=True, north=False, terrace=True), "E 14th Ter"),
        (cross_street(43, east=True, north=True, terrace=False), "NE 43rd St"),
        (cross_street(23, east=True, north=False, terrace=False), "E 23rd Trfy"),
        (cross_street(17, east=True, north=False, terrace=False), "E US 40 Hwy"),
    ],
)
def test_street_names(name: object, full: str) -> None:
    assert name.full == full  # type: ignore[attr-defined]


def test_streets_without_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="add a name"):
        avenue(500, north=False)


@pytest.mark.parametrize(("number", "text"), [(1, "1st"), (12, "12th"), (22, "22nd"), (43, "43rd"), (111, "111th")])
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_a_day_is_drawn_the_same_wherever_the_city_ends() -> None:
    short = draw_days(SEED, "calls", date(2026, 6, 1), date(2026, 6, 10), 20, 3)
    long = draw_days(SEED, "calls", date(2026, 6, 5), date(2026, 7, 1), 20, 3)
    day = short.day[-1]
    assert np.array_equal(short.uniforms[short.day == day], long.uniforms[long.day == day])
    assert len(draw_days(SEED, "calls", date(2026, 6, 1), date(2026, 6, 1), 20, 3)) == 0


def test_poisson_counts_have_their_mean() -> None:
    u = (np.arange(100_000) + 0.5) / 100_000
    assert poisson(np.full(100_000, 2.6), u).mean() == pytest.approx(2.6, abs=0.01)


def test_row_identifiers_are_unique_and_depend_on_the_data_set() -> None:
    day, position = np.repeat(np.arange(20_000, 20_100), 500), np.tile(np.arange(500), 100)
    first, second = row_ids("a", day, position), row_ids("b", day, position)
    assert len(set(first)) == len(first)
    assert not set(first) & set(second)
    assert first[0].startswith("row-")


def test_publication_days() -> None:
    day = np.array([20_000])  # Thursday, 2024-10-04 is day 20000: a Friday
    assert (next_weekday(day, 3) - day).tolist() == [6]
    assert next_month_day(day, 25).astype("datetime64[D]").astype(str).tolist() == ["2024-10-25"]
    assert next_month_day(day, 2).astype("datetime64[D]").astype(str).tolist() == ["2024-11-02"]


def test_planted_effects_can_be_found_again() -> None:
    """A log-linear rate per parcel, refitted on many events, gives back the planted values."""
    layout = lay_out(0.05, SEED)
    truth = plant(layout, fill_registers(layout, 0.05, SEED), SEED)
    x = np.column_stack([np.ones(len(layout.parcels)), truth.factors.to_numpy()])
    area = ((layout.parcels["x1"] - layout.parcels["x0"]) * (layout.parcels["y1"] - layout.parcels["y0"])).to_numpy()
    rate = truth.weights["serious"] / truth.place_effect / area
    beta = np.linalg.lstsq(x, np.log(rate), rcond=None)[0][1:]
    assert beta == pytest.approx([e.beta for e in EFFECTS], abs=1e-9)


def test_reports_fall_where_the_truth_puts_them() -> None:
    layout = lay_out(0.01, SEED)
    truth = plant(layout, fill_registers(layout, 0.01, SEED), SEED)
    events, _ = reports(layout, truth, 0.2, SEED, date(2025, 1, 1), date(2026, 1, 1))
    serious = np.array([k.drawn_by == "serious" for k in REPORT_KINDS])[events["kind"].to_numpy()] & ~events["is_scripted"].to_numpy()
    parcel = events["parcel"].to_numpy()[serious]
    expected = truth.weights["serious"] / truth.weights["serious"].sum()
    top = np.argsort(expected)[-100:]
    assert np.isin(parcel[parcel >= 0], top).mean() == pytest.approx(expected[top].sum(), abs=0.05)

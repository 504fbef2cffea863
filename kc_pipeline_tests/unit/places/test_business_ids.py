"""Ids of businesses last through new spellings, classes, joins and splits, and never depend on the order of rows."""

from datetime import date

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.business_ids import assign_ids
from kc_pipeline.places.names import normalize_name

Row = tuple[str, str, str]


def ids(rows: list[Row], history: pd.DataFrame | None = None) -> dict[str, str]:
    """Licence id -> business id, for licences given as id, name, address; those of one name at one address are one business."""
    records = pd.DataFrame(rows, columns=["number", "business_name", "address"]).assign(register="licence")
    records["name_key"] = records["business_name"].map(normalize_name)
    records["read_key"] = records["address_key"] = standardize(records["address"])["address_key"]
    records = records.sort_values("number", ignore_index=True)
    records["business"] = records.groupby(["name_key", "read_key"]).ngroup()
    return dict(zip(records["number"], records["business"].map(assign_ids(records, history)), strict=True))


def version(business_id: str, numbers: str, address: str = "1000 LOCUST ST", day: int = 1, *, is_gone: bool = False) -> dict[str, object]:
    """A row of core/business_history."""
    end = date(2026, 2, 1) if is_gone else None
    return {"business_id": business_id, "license_ids": numbers, "permit_numbers": None, "address_key": address,
            "valid_from": date(2026, 1, day), "valid_to": end}  # fmt: skip


def test_a_new_spelling_keeps_the_id() -> None:
    first = ids([("1", "JOES DELI", "1000 LOCUST ST")])
    history = pd.DataFrame([version(first["1"], "1")])
    assert ids([("1", "JOE AND SONS DELICATESSEN", "1000 Locust St.")], history) == first


def test_without_history_the_id_is_the_hash_of_name_and_address() -> None:
    same = ids([("1", "JOES DELI LLC", "1000 LOCUST ST"), ("2", "B", "1000 LOCUST ST")])
    assert same["1"] == ids([("7", "Joe's Deli", "1000 Locust St")])["7"]
    assert len(set(same.values())) == 2


def test_a_licence_that_moves_is_a_new_business() -> None:
    history = pd.DataFrame([version("business:old", "1")])
    assert ids([("1", "JOES DELI", "2000 MAIN ST")], history)["1"] != "business:old"


def test_a_name_that_a_renamed_business_left_free_does_not_take_its_id() -> None:
    first = ids([("1", "OLD NAME", "1000 LOCUST ST")])["1"]
    later = ids([("1", "NEW NAME", "1000 LOCUST ST"), ("2", "OLD NAME", "1000 LOCUST ST")], pd.DataFrame([version(first, "1")]))
    assert later["1"] == first
    assert later["2"] != first


def test_of_a_split_the_larger_part_keeps_the_id() -> None:
    history = pd.DataFrame([version("business:old", "1;2;3")])
    later = ids([("1", "A", "1000 LOCUST ST"), ("2", "B", "1000 LOCUST ST"), ("3", "B", "1000 LOCUST ST")], history)
    assert later["2"] == later["3"] == "business:old"
    assert later["1"] != "business:old"


def test_of_a_join_the_business_that_brings_more_keeps_the_id() -> None:
    history = pd.DataFrame([version("business:small", "1"), version("business:large", "2;3")])
    later = ids([(number, "A", "1000 LOCUST ST") for number in "123"], history)
    assert set(later.values()) == {"business:large"}


def test_a_business_that_a_decision_merged_is_known_again() -> None:
    history = pd.DataFrame([version("business:gone", "2", is_gone=True), version("business:kept", "1;2", day=2)])
    later = ids([("1", "A", "1000 LOCUST ST"), ("2", "B", "1000 LOCUST ST")], history)
    assert later == {"1": "business:kept", "2": "business:gone"}


def test_a_business_that_comes_back_has_its_old_id() -> None:
    history = pd.DataFrame([version("business:old", "1", is_gone=True)])
    assert ids([("1", "JOES DELI", "1000 LOCUST ST")], history) == {"1": "business:old"}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_ids_are_unique_and_do_not_depend_on_the_order_of_rows(data: st.DataObject) -> None:
    row = st.tuples(st.sampled_from("1234"), st.sampled_from(["A", "B", "A LLC"]), st.sampled_from(["1000 LOCUST ST", "2000 MAIN ST"]))
    rows = data.draw(st.lists(row, min_size=1, max_size=6, unique_by=lambda r: r[0]))
    past = [version(f"business:{n}", n, address) for n, _, address in data.draw(st.lists(row, max_size=4, unique_by=lambda r: r[0]))]
    history = pd.DataFrame(past) if past else None
    found = ids(rows, history)
    turned = ids(data.draw(st.permutations(rows)), None if history is None else history.iloc[::-1])
    assert found == turned

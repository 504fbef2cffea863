"""Address texts parsed once and kept: what is asked of the parser, and that the answer is the same as without."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kc_pipeline.places import addresses
from kc_pipeline.places.address_memory import AddressMemory
from kc_pipeline.places.addresses import standardize

TEXTS = pd.Series(
    ["1000  LOCUST ST", None, "E 43 ST and TROOST AV", "1000  LOCUST ST", "2601-2621 E 13th St", "PO BOX 7", "00  W 10 ST", "THE PASEO"],
    index=[7, 3, 5, 1, 2, 11, 13, 17],
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that reached the parser, in order."""
    seen: list[str] = []
    parse = addresses.parse_address

    def counted(text: str) -> addresses.Address:
        seen.append(text)
        return parse(text)

    monkeypatch.setattr(addresses, "parse_address", counted)
    return seen


def in_a_new_run(folder: Path, texts: pd.Series) -> pd.DataFrame:
    with AddressMemory(folder).in_use():
        return standardize(texts)


def failing_step(folder: Path) -> None:
    with AddressMemory(folder).in_use():
        standardize(TEXTS)
        raise ZeroDivisionError


def test_parts_from_the_file_are_those_of_the_parser(tmp_path: Path) -> None:
    plain = standardize(TEXTS)
    first, second = (in_a_new_run(tmp_path, TEXTS) for _ in range(2))
    pd.testing.assert_frame_equal(first, plain)
    pd.testing.assert_frame_equal(second, plain)
    assert plain.loc[5, "address_key"] == "E 43RD ST & TROOST AVE"
    assert plain.loc[3, "address_kind"] == "none"


def test_a_later_run_parses_only_what_is_new(tmp_path: Path, asked: list[str]) -> None:
    in_a_new_run(tmp_path, TEXTS)
    assert sorted(asked) == sorted(TEXTS.dropna().unique())
    asked.clear()
    in_a_new_run(tmp_path, pd.concat([TEXTS, pd.Series(["1 OAK ST"])]))
    assert asked == ["1 OAK ST"]
    asked.clear()
    in_a_new_run(tmp_path, pd.Series(["1 OAK ST", "1000  LOCUST ST"]))
    assert asked == []


def test_another_parser_parses_anew(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_new_run(tmp_path, TEXTS)
    asked.clear()
    monkeypatch.setattr(addresses, "_parser_digest", lambda: "another")
    in_a_new_run(tmp_path, TEXTS)
    assert len(asked) == TEXTS.dropna().nunique()


@pytest.mark.parametrize("content", [b"", b"PAR1 torn", None])
def test_a_file_that_cannot_be_read_is_made_again(tmp_path: Path, content: Any) -> None:
    plain = in_a_new_run(tmp_path, TEXTS)
    (file,) = tmp_path.glob("*.parquet")
    if content is None:
        pd.DataFrame({"other": [1]}).to_parquet(file)
    else:
        file.write_bytes(content)
    pd.testing.assert_frame_equal(in_a_new_run(tmp_path, TEXTS), plain)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert len(pd.read_parquet(file)) == TEXTS.dropna().nunique()


def test_a_step_that_fails_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        failing_step(tmp_path)
    assert list(tmp_path.iterdir()) == []
    pd.testing.assert_frame_equal(standardize(TEXTS), in_a_new_run(tmp_path, TEXTS))


def test_no_addresses(tmp_path: Path) -> None:
    assert in_a_new_run(tmp_path, pd.Series([None, None], dtype="str"))["address_kind"].tolist() == ["none", "none"]

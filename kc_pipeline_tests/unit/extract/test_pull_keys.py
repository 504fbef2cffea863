"""Keys of pulls: found in whatever case, read once, made anew where the file is gone or broken."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from kc_pipeline.extract.pull_keys import PullKeys

ROWS = pa.table({"report_no": ["KC1", "kc2", None, "KC1"]})


def pull(content: str = "a" * 64) -> Any:
    return SimpleNamespace(content_sha256=lambda: content)


def never() -> pa.Table:
    raise AssertionError("its keys are kept")


@pytest.mark.parametrize(("keys", "is_held"), [(["KC1"], True), (["KC2"], True), (["kc1", "X"], True), (["X"], False), ([], False)])
def test_a_pull_holds_its_own_keys_alone(tmp_path: Path, keys: list[str], is_held: bool) -> None:
    known = PullKeys(tmp_path / "keys")
    assert known.holds_any(pull(), "report_no", keys, lambda: ROWS) is is_held
    assert PullKeys(tmp_path / "keys").holds_any(pull(), "report_no", keys, never) is is_held


def test_keys_that_were_noted_need_no_page(tmp_path: Path) -> None:
    known = PullKeys(tmp_path)
    known.note(pull(), "report_no", ROWS)
    assert known.holds_any(pull(), "report_no", ["KC2"], never)
    assert not known.holds_any(pull("b" * 64), "report_no", ["KC2"], lambda: ROWS.slice(0, 1))
    assert not known.holds_any(pull(), "report", ["KC2"], lambda: ROWS)


def test_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    known = PullKeys(tmp_path)
    known.note(pull(), "report_no", ROWS)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert known.holds_any(pull(), "report_no", ["KC2"], lambda: ROWS)
    assert known.holds_any(pull(), "report_no", ["KC2"], never)

"""Modules that are imported once something of them is asked for."""

import subprocess
import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[3])
_SCRIPT = """
import sys
from kc_pipeline.quality.later import put_off
put_off("costly")
import costly, costly
assert "COSTLY" not in dir(sys)
from costly import answer
assert sys.COSTLY == 1
assert (answer, costly.answer, sys.modules["costly"].answer) == (42, 42, 42)
assert sys.COSTLY == 1
put_off("costly")
import costly
assert type(costly).__name__ == "module"
"""
_CHECKS = """
import sys
from kc_pipeline.quality import expectations
assert not any(name.startswith(("scipy.stats.", "altair.")) for name in sys.modules)
import scipy.stats
assert scipy.stats.norm.cdf(0) == 0.5
"""


def test_a_module_is_imported_once_and_only_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "costly.py").write_text("import sys\nsys.COSTLY = getattr(sys, 'COSTLY', 0) + 1\nanswer = 42\n")
    subprocess.run([sys.executable, "-c", _SCRIPT], cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{_ROOT}"}, check=True)  # noqa: S603 - ours


def test_checks_do_not_wait_for_what_they_never_use() -> None:
    subprocess.run([sys.executable, "-c", _CHECKS], env={"PYTHONPATH": _ROOT, "HOME": "/nonexistent"}, check=True)  # noqa: S603 - ours

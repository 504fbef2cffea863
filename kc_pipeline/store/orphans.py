"""Files that a killed writer left in a Delta table: data that no log entry speaks of.  Readers never see them; they take room."""

import time
from pathlib import Path

from kc_pipeline.store.seals import files_added

_DAY_S = 86_400.0
_YOUNG_S, _OLD_S = _DAY_S, 30 * _DAY_S


def clear_orphans(table: Path, now_s: float | None = None) -> list[Path]:
    """Remove what no version of a table names, if it is older than a day, so that nobody is writing it any more.

    Only what was written within the last month is looked at, so that the work does not grow with the table's history.  Nothing is
    removed where an entry of that time is gone from the log.

    Args:
        table: a Delta table's folder.
        now_s: the time, seconds since 1970-01-01 UTC; None: now.

    Returns:
        What was removed.
    """
    now_s = time.time() if now_s is None else now_s
    log = table / "_delta_log"
    if not log.is_dir():
        return []
    strays = [file for file in log.glob("*.tmp") if _age_s(file, now_s) > _YOUNG_S]
    data = [file for file in table.rglob("*.parquet") if log not in file.parents and _YOUNG_S < _age_s(file, now_s) < _OLD_S]
    entries = sorted(file for file in log.glob("*.json") if file.stem.isdigit() and _age_s(file, now_s) < _OLD_S)
    versions = [int(entry.stem) for entry in entries]
    if not data or not versions or versions != list(range(versions[0], versions[0] + len(versions))):
        data = []
    named = {table / name for entry in entries for name in files_added(entry)} if data else set()
    orphans = [*strays, *(file for file in data if file not in named)]
    for file in orphans:
        file.unlink(missing_ok=True)
    return orphans


def _age_s(file: Path, now_s: float) -> float:
    try:
        return now_s - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0

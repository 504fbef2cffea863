"""Where the open and the department's record of one incident, which became one event, do not say the same."""

import pandas as pd

# Minutes by which two clocks may differ; where one record gives a day only, the days must be equal.
_SAME_MINUTES = 60
_SYSTEMS = ("open", "department")


def record_disagreements(rows: pd.DataFrame) -> pd.Series:
    """What differs, in words, by event_id; events that agree, or stand in one system alone, are not there.

    Args:
        rows: source rows with event_id, record_system, reported_local, reported_clock and category, the most serious first.
    """
    both = rows[rows.groupby("event_id")["record_system"].transform("nunique") > 1]
    if both.empty:
        return pd.Series(dtype="str")
    first = both.groupby(["event_id", "record_system"]).agg(
        reported=("reported_local", "min"), clock=("reported_clock", "first"), category=("category", "first")
    )
    sides = [first.xs(system, level="record_system").add_prefix(f"{system}_") for system in _SYSTEMS]
    held = sides[0].join(sides[1], how="inner")
    apart = (held["open_reported"] - held["department_reported"]).abs()
    by_day = held["open_clock"].eq("date_only") | held["department_clock"].eq("date_only")
    other_day = held["open_reported"].dt.normalize() != held["department_reported"].dt.normalize()
    differs = {
        "reported": other_day.where(by_day, apart > pd.Timedelta(minutes=_SAME_MINUTES)) & apart.notna(),
        "category": held["open_category"].ne(held["department_category"]),
    }
    texts = pd.Series("", index=held.index, dtype="str")
    for name, found in differs.items():
        said = [held[f"{system}_{name}"].astype("str").str.replace(" 00:00:00", "") for system in _SYSTEMS]
        text = f"{name}: open " + said[0] + ", department " + said[1]
        texts = texts.where(~found, (texts + "; " + text).str.removeprefix("; "))
    return texts[texts != ""]

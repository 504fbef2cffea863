"""Columns that a source declares now against those it declared before."""

from collections.abc import Collection, Sequence

from kc_pipeline.quality.drift.finding import Drift, in_order

# Columns that the portal computes for its own maps come and go without any meaning.
_NOISE = (":@computed_region", "@computed_region")


def schema_drift(
    feed: str, data_set: str, before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]], asked: Collection[str]
) -> list[Drift]:
    """Columns that are new, missing or of another type.

    Args:
        feed: name of the feed.
        data_set: id of the data set.
        before: (name, type) of each column as declared before.
        after: the same now.
        asked: names at the source that are read.
    """
    old, new = ({name: kind for name, kind in columns if not name.startswith(_NOISE)} for columns in (before, after))
    found = []
    for kind, name in [
        *(("column_new", name) for name in new.keys() - old.keys()),
        *(("column_missing", name) for name in old.keys() - new.keys()),
        *(("column_retyped", name) for name in old.keys() & new.keys() if old[name] != new[name]),
    ]:
        use = "we read it" if name in asked else "we do not read it"
        did = {
            "column_new": f"has a new column '{name}' ({new.get(name)})",
            "column_missing": f"has no column '{name}' any more",
            "column_retyped": f"has '{name}' as {new.get(name)} instead of {old.get(name)}",
        }[kind]
        facts: dict[str, int | float | str] = {
            "data_set": data_set,
            "before": old.get(name, ""),
            "after": new.get(name, ""),
            "is_read": name in asked,
        }
        found.append(Drift(kind, feed, f"{data_set} {name}", None, f"{feed}: data set {data_set} {did}; {use}.", facts))
    return in_order(found)

"""Data contracts of the v1 views, as Open Data Contract Standard 3.1 documents, and what may not change between two releases.

The catalogue is the source; `released/` holds the documents that readers were given.  A view only grows: new columns that
may be missing, wider meanings.  Anything that would break a reader's query is a new view beside the old one.
"""

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import Column, Type
from kc_pipeline.catalog.reference import REFERENCE_TABLES
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.views import VIEWS, View

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

API_VERSION = "v3.1.0"
Document = dict[str, Any]

_LOGICAL = {
    Type.TEXT: "string",
    Type.INTEGER: "integer",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
    Type.LOCAL_TIME: "timestamp",
    Type.UTC_TIME: "timestamp",
}
_PHYSICAL = {
    Type.TEXT: "text",
    Type.INTEGER: "bigint",
    Type.NUMBER: "double precision",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
    Type.LOCAL_TIME: "timestamp without time zone",
    Type.UTC_TIME: "timestamp with time zone",
}
_USAGE = "Read the newest published day from the view; an older one from the history table by snapshot_id, or by `kc table --as-of`."
_LIMITS = {
    "v1_business_risk_current": "The score says where help is needed, never who is at fault; it is no count of incidents, and nothing may be decided by it alone.",
    "v1_business_risk_factors": "Contributions are associations with past events, never causes; what-ifs are no promises.",
    "v1_threshold_status": "Provisional while is_provisional; possible events are no counted events; never to be joined to the score in one report.",
    "v1_threshold_events": "Provisional while the rule set is; only events with count_state 'counts' are counted.",
    "v1_action_list": "A condition is open as far as its source says; no source tells whether a business lights its own lot.",
    "v1_public_neighborhood_quarter": "A missing count is hidden, not zero; reports differ between neighborhoods in how much is reported.",
    "v1_source_quality": "A silent source is not a safe city.",
}
_NO_LIMIT = "Describes what the registers and the catalogue say, and nothing more."


class NotReleasedError(LookupError):
    """There is no released contract of a view."""


class BreakingChangeError(ValueError):
    """A contract would break the queries of those who read by the released one."""


class VersionError(ValueError):
    """A contract differs from the released one of the same version."""


def contract(view: View) -> Document:
    """The contract of a view as the catalogue has it now."""
    table = view.contract
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"kc_pipeline.{view.name}",
        "name": view.name,
        "version": SCHEMA_VERSION,
        "status": "active",
        "domain": "public safety",
        "description": {
            "purpose": f"{table.grain[0].upper()}{table.grain[1:]}.",
            "usage": _USAGE,
            "limitations": _LIMITS.get(view.name, _NO_LIMIT),
        },
        "schema": [
            {
                "name": view.name,
                "physicalName": view.name,
                "physicalType": "view",
                "logicalType": "object",
                "description": f"One row is {table.grain}.",
                "dataGranularityDescription": f"{table.grain[0].upper()}{table.grain[1:]}",
                "properties": [_property(column, table.key) for column in table.columns],
                **_quality(view),
            }
        ],
        "team": {"name": table.owner.removeprefix("team:")},
        "slaProperties": list(_service_levels(view)),
    }


def as_text(document: Document) -> str:
    """A contract as YAML."""
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text


def released(view: str, folder: "Traversable | None" = None) -> Document:
    """The contract of a view that readers were given last.

    Raises:
        NotReleasedError: there is none.
    """
    import yaml

    path = (folder or released_folder()) / f"{view}.odcs.yaml"
    if not path.is_file():
        raise NotReleasedError(f"{view} has no released contract; `kc contracts release` writes it")
    document: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def released_folder() -> "Traversable":
    """Where the released contracts lie."""
    return resources.files("kc_pipeline.catalog") / "released"


def breaking_changes(before: Document, now: Document) -> list[str]:
    """What a contract would take away from who reads by an earlier one, a sentence each; empty if nothing.

    Args:
        before: the released contract.
        now: the contract that would be released.
    """
    name, later = before["name"], f"make it v2_{before['name'].removeprefix('v1_')} and keep {before['name']}"
    old, new = _properties(before), _properties(now)
    said = [f"{name}: column {column} is gone or has another name; {later}" for column in old if column not in new]
    for column in (column for column in old if column in new):
        for what, label in (("logicalType", "type"), ("physicalType", "type"), ("unit", "unit")):
            was, is_now = _facet(old[column], what), _facet(new[column], what)
            if was != is_now:
                said.append(f"{name}: {label} of {column} was {was} and is {is_now}; {later}")
                break
        if old[column].get("required") and not new[column].get("required"):
            said.append(f"{name}: {column} was always given and may now be missing; {later}")
    keys = [[column for column, facts in properties.items() if facts.get("primaryKey")] for properties in (old, new)]
    if keys[0] != keys[1]:
        said.append(f"{name}: one row was identified by {', '.join(keys[0])}, now by {', '.join(keys[1])}; {later}")
    return said


def unreleased_changes(folder: "Traversable | None" = None) -> dict[str, list[str]]:
    """Views whose contract is not the one that was released, each with its breaking changes (none: it may be released)."""
    changed: dict[str, list[str]] = {}
    for view in VIEWS.values():
        now = contract(view)
        try:
            before = released(view.name, folder)
        except NotReleasedError:
            changed[view.name] = []
            continue
        if before != now:
            changed[view.name] = breaking_changes(before, now)
    return changed | {
        name: [f"{name}: the view is gone; keep it beside its successor"] for name in _released_names(folder) if name not in VIEWS
    }


def write_released(folder: Path | None = None) -> list[str]:
    """Release the contracts that changed; the views they are of.

    Args:
        folder: where released contracts lie; None: in the package.

    Raises:
        BreakingChangeError: a change would break a reader's query.
        VersionError: a released contract would change and keep its version.
    """
    home = folder or Path(str(released_folder()))
    changed = unreleased_changes(home)
    if broken := [sentence for sentences in changed.values() for sentence in sentences]:
        raise BreakingChangeError("; ".join(broken))
    for name in changed:
        if name in _released_names(home) and released(name, home)["version"] == SCHEMA_VERSION:
            raise VersionError(
                f"{name}: version {SCHEMA_VERSION} is released with other words; raise SCHEMA_VERSION in catalog/tables.py and say in "
                "CHANGELOG.md what changed"
            )
    texts = {name: as_text(contract(VIEWS[name])) for name in changed}
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (home / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")
    return list(changed)


def _released_names(folder: "Traversable | None") -> list[str]:
    home = folder or released_folder()
    return (
        sorted(path.name.removesuffix(".odcs.yaml") for path in home.iterdir() if path.name.endswith(".odcs.yaml")) if home.is_dir() else []
    )


def _property(column: Column, key: tuple[str, ...]) -> Document:
    is_key = column.name in key
    options = {"minimum": column.minimum, "maximum": column.maximum, "pattern": f"^(?:{column.pattern})" if column.pattern else None}
    if column.type in (Type.LOCAL_TIME, Type.UTC_TIME):
        options = {"timezone": column.type is Type.UTC_TIME, "defaultTimezone": "Etc/UTC" if column.type is Type.UTC_TIME else None}
    given = {name: value for name, value in options.items() if value is not None}
    known = [
        {
            "type": "library", "metric": "invalidValues", "arguments": {"validValues": [str(value) for value in column.values]}, "mustBe": 0,
            "description": f"{column.name} is one of the values that are listed.", "dimension": "conformity", "severity": "error",
        }
    ]  # fmt: skip
    return {
        "name": column.name,
        "logicalType": _LOGICAL[column.type],
        **({"logicalTypeOptions": given} if given else {}),
        "physicalType": _PHYSICAL[column.type],
        "description": column.description,
        "required": is_key or not column.nullable,
        **({"primaryKey": True, "primaryKeyPosition": key.index(column.name) + 1} if is_key else {}),
        **({"quality": known} if column.values else {}),
        **({"customProperties": [{"property": "unit", "value": column.unit}]} if column.unit else {}),
    }


def _quality(view: View) -> Document:
    """Rules that a column cannot say, in words."""
    if view.table in REFERENCE_TABLES:
        return {}
    said = [
        {"type": "text", "name": rule.name, "description": rule.says, "severity": "error" if rule.severity == "blocks" else "warning"}
        for rule in RULES[view.table]
        if not rule.is_derived
    ]
    return {"quality": said} if said else {}


def _service_levels(view: View) -> Iterator[Document]:
    if view.is_of_a_mart:
        yield {
            "property": "frequency",
            "value": 1,
            "unit": "d",
            "description": "Published every morning, when the day's checks have passed.",
        }
        yield {"property": "retention", "value": 90, "unit": "d", "description": "In the warehouse; month ends longer, the lake for ever."}
    else:
        yield {"property": "frequency", "value": 1, "unit": "y", "description": "Changes with the catalogue only."}


def _properties(document: Document) -> Mapping[str, Document]:
    return {facts["name"]: facts for facts in document["schema"][0]["properties"]}


def _facet(facts: Document, what: str) -> Any:
    if what != "unit":
        return facts.get(what)
    return next((said["value"] for said in facts.get("customProperties", ()) if said["property"] == "unit"), None)

"""The contracts that readers were promised, in `released/`, and how the present ones become those.

What the catalogue says may change; what was released binds.  A column's first version is taken over from release to release.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from kc_pipeline.catalog.compatibility import Change, Weight, changes, columns_of
from kc_pipeline.catalog.contracts import Document, custom, from_yaml, to_odcs, to_yaml, version_of
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.views import VIEWS

_ENDING = ".odcs.yaml"


class ReleaseError(ValueError):
    """The present contracts cannot be released; the message says why and what helps."""


def released_folder() -> Path:
    """Where the released contracts lie."""
    return Path(str(resources.files("kc_pipeline.catalog").joinpath("released")))


def read_released(folder: Path | None = None) -> dict[str, Document]:
    """View -> the contract that was released last.

    Args:
        folder: where they lie; None: those of this package.
    """
    paths = sorted((folder or released_folder()).glob(f"*{_ENDING}"))
    return {path.name.removesuffix(_ENDING): from_yaml(path.read_text(encoding="utf-8")) for path in paths}


def present_contracts(released: Mapping[str, Document]) -> dict[str, Document]:
    """View -> its contract as the catalogue says it now; columns that were released keep the version they first had."""
    return {name: to_odcs(view, _since(released.get(name))) for name, view in VIEWS.items()}


def contract_text(view: str) -> str:
    """A view's present contract as YAML.

    Raises:
        KeyError: there is no such view.
    """
    path = released_folder() / f"{view}{_ENDING}"
    return to_yaml(to_odcs(VIEWS[view], _since(from_yaml(path.read_text(encoding="utf-8")) if path.exists() else None)))


def release(folder: Path, changelog: str) -> list[Change]:
    """Write the present contracts as the released ones.

    Args:
        folder: where to.
        changelog: text of CHANGELOG.md.

    Returns:
        What readers will find changed.

    Raises:
        ReleaseError: a change would break queries, the version was not raised, or the change log does not speak of it.
    """
    released = read_released(folder)
    present = present_contracts(released)
    found = changes(released, present)
    if breaking := [str(change) for change in found if change.weight is Weight.BREAKING]:
        raise ReleaseError("\n".join(breaking))
    last = max((contract["version"] for contract in released.values()), key=version_of, default="0.0.0")
    if version_of(SCHEMA_VERSION) < version_of(last):
        raise ReleaseError(f"SCHEMA_VERSION in catalog/tables.py is {SCHEMA_VERSION}, and {last} was released already; versions only grow")
    if any(change.weight is Weight.MINOR for change in found) and version_of(SCHEMA_VERSION)[:2] == version_of(last)[:2]:
        major, minor = version_of(last)[:2]
        what = "; ".join(str(change) for change in found if change.weight is Weight.MINOR)
        raise ReleaseError(f"{what}: set SCHEMA_VERSION in catalog/tables.py to {major}.{minor + 1}.0")
    if f"\n## [{SCHEMA_VERSION}]" not in changelog:
        raise ReleaseError(f"CHANGELOG.md has no entry '## [{SCHEMA_VERSION}]'; say in it what readers will find changed")
    folder.mkdir(parents=True, exist_ok=True)
    for view, contract in present.items():
        temporary = folder / f".{view}.writing"
        temporary.write_text(to_yaml(contract), encoding="utf-8")
        temporary.replace(folder / f"{view}{_ENDING}")
    return found


def unreleased(folder: Path | None = None) -> list[str]:
    """What differs between the catalogue and the released files, in sentences; nothing if they agree to the letter."""
    released = read_released(folder)
    present = present_contracts(released)
    found = [str(change) for change in changes(released, present)]
    other = [view for view in present if view in released and released[view]["version"] != present[view]["version"]]
    found += [f"{view}: version {released[view]['version']} was released, the catalogue is at {SCHEMA_VERSION}" for view in other]
    texts = {view: ((folder or released_folder()) / f"{view}{_ENDING}").read_text(encoding="utf-8") for view in present if view in released}
    found += [
        f"{view}: the released file is written otherwise" for view, text in texts.items() if not found and text != to_yaml(present[view])
    ]
    return found


def _since(contract: Document | None) -> dict[str, str]:
    if contract is None:
        return {}
    return {name: str(custom(column, "sinceVersion")) for name, column in columns_of(contract).items()}

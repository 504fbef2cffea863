"""Steps that do again only what has changed: a table that would come out the same is left alone, a text is parsed once."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import kc_pipeline
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    from kc_pipeline.store.lake import Commit

_R = TypeVar("_R", "Commit", "tuple[Commit, ...]")
_S = TypeVar("_S")
# Libraries whose results are written into tables.
_LIBRARIES = ("numpy", "pandas", "pyarrow", "pyproj", "shapely")


@cache
def code_digest() -> str:
    """Digest of this package's code and of the libraries that it reckons with: other code makes every table anew."""
    digest = hashlib.sha256()
    root = Path(kc_pipeline.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    digest.update("".join(f"{name}=={version(name)};" for name in _LIBRARIES).encode())
    return digest.hexdigest()


def unless_unchanged(
    tables: Sequence[str], inputs: Sequence[str], more: Callable[[Platform], object] = lambda _platform: None
) -> Callable[[Callable[[Platform], _R]], Callable[[Platform], _R]]:
    """A step that is left out while its tables are whole and would be made of what they were made of.

    Args:
        tables: what the step writes.
        inputs: tables that it reads.
        more: what else the rows follow from; must survive JSON.
    """

    def decorate(step: Callable[[Platform], _R]) -> Callable[[Platform], _R]:
        @wraps(step)
        def leaving(platform: Platform) -> _R:
            from kc_pipeline.store.lake import Commit

            lake = platform.lake
            made_of = {"code": code_digest(), "inputs": lake.versions(inputs), "more": more(platform)}
            if all(lake.is_whole(table) and lake.making_of(table) == made_of for table in tables):
                commits = tuple(Commit(table, lake.version(table), (), lake.count(table)) for table in tables)
                return commits if len(tables) > 1 else commits[0]  # type: ignore[return-value]
            made = step(platform)
            for table in tables:
                lake.note_making(table, made_of)
            return made

        return leaving

    return decorate


def remembering_addresses(step: Callable[[Platform], _S]) -> Callable[[Platform], _S]:
    """A step that parses only address texts that no run has parsed before."""

    @wraps(step)
    def remembering(platform: Platform) -> _S:
        with platform.address_memory.in_use():
            return step(platform)

    return remembering

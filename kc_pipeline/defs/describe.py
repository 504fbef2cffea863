"""What every asset has by its key alone: tags by which it is found, and links to the code that makes it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS

_PACKAGE = Path(__file__).parents[1]
_CATALOGUE = {"raw": "sources.py", "clean": "tables.py", "quarantine": "tables.py"}


def describe_assets(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with the tags `layer` and, where it is one feed's, `source`; and with references to their code.

    The references are files of the package as it is installed, so that they open wherever it runs.
    """
    return [definition.map_asset_specs(_describe(_where(definition))) for definition in assets]


def _describe(body: dg.LocalFileCodeReference) -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        layer, name = spec.key.path
        contract = _PACKAGE / "catalog" / _CATALOGUE.get(layer, "tables.py")
        links = dg.CodeReferencesMetadataValue(
            code_references=[body, dg.LocalFileCodeReference(file_path=str(contract), line_number=1, label=f"contracts in {contract.name}")]
        )
        tags = {"layer": layer, **({"source": name} if layer in _CATALOGUE and name in FEEDS else {})}
        return spec.merge_attributes(tags=tags, metadata={"dagster/code_references": links})

    return described


def _where(definition: dg.AssetsDefinition) -> dg.LocalFileCodeReference:
    """File and line of the function that makes the assets."""
    code = definition.op.compute_fn.decorated_fn.__code__  # type: ignore[union-attr]
    return dg.LocalFileCodeReference(
        file_path=code.co_filename, line_number=code.co_firstlineno, label=f"assets/{Path(code.co_filename).name}"
    )

"""Commands about what readers of the views were promised: `kc contracts`."""

from pathlib import Path

import click

from kc_pipeline.catalog.views import VIEWS

_PROJECT = Path(__file__).parents[1]
DICTIONARY, CHANGELOG = _PROJECT / "docs" / "data-dictionary.md", _PROJECT / "CHANGELOG.md"


@click.group()
def contracts() -> None:
    """What readers of the views were promised: a contract for each by the Open Data Contract Standard."""


@contracts.command()
@click.argument("view", type=click.Choice(sorted(VIEWS)))
def show(view: str) -> None:
    """Print a view's contract."""
    from kc_pipeline.catalog.releases import contract_text

    click.echo(contract_text(view), nl=False)


@contracts.command()
def check() -> None:
    """Compare the catalogue with the released contracts; anything that differs fails."""
    from kc_pipeline.catalog.releases import unreleased

    found = unreleased()
    for line in found:
        click.echo(line)
    if found:
        raise click.ClickException("release the contracts (kc contracts release), or take the change back")
    click.echo(f"{len(VIEWS)} contracts are as they were released")


@contracts.command()
def release() -> None:
    """Write the present contracts as the released ones, for the project's next commit.

    A change that breaks readers' queries is refused. Anything new needs a higher minor SCHEMA_VERSION and an entry in CHANGELOG.md.
    """
    from kc_pipeline.catalog.releases import ReleaseError, released_folder
    from kc_pipeline.catalog.releases import release as write

    try:
        found = write(released_folder(), CHANGELOG.read_text(encoding="utf-8"))
    except (ReleaseError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for change in found:
        click.echo(str(change))
    click.echo(f"released {len(VIEWS)} contracts in {released_folder()}")


@contracts.command()
@click.option(
    "--to", "path", type=click.Path(path_type=Path, dir_okay=False), default=DICTIONARY, help="Where to; default: docs/data-dictionary.md."
)
def dictionary(path: Path) -> None:
    """Write the data dictionary, a page made from the contracts."""
    from kc_pipeline.catalog.dictionary import to_markdown
    from kc_pipeline.catalog.releases import present_contracts, read_released

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_markdown(present_contracts(read_released())), encoding="utf-8")
    click.echo(f"wrote {path}")

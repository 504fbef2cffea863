"""Whether two data folders hold the same rows: every table of the lake, sorted by key, without the columns that tell a run apart.

    python benchmarks/compare_lakes.py data/sandbox/lake other/sandbox/lake

Made to show that a faster step gives what the slower one gave.  Ends with 1 if a table differs.
"""

import sys
from pathlib import Path

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.store.lake import Lake, canonical_rows


def main(first: Path, second: Path) -> int:
    """Print a line for each table that is not the same in both, and how many are; the number of tables that differ."""
    lakes = Lake(first), Lake(second)
    held = [name for name in TABLES if any(lake.version(name) is not None for lake in lakes)]
    different = 0
    for name in held:
        one, other = (canonical_rows(TABLES[name], lake.read(name)) for lake in lakes)
        if not one.equals(other):
            different += 1
            columns = [column for column in one.column_names if one.num_rows == other.num_rows and not one[column].equals(other[column])]
            print(f"{name}: {one.num_rows} and {other.num_rows} rows; columns that differ: {', '.join(columns) or 'cannot be told'}")
    print(f"{len(held) - different} of {len(held)} tables hold the same rows")
    return different


if __name__ == "__main__":
    if len(sys.argv) != 3 or not all(Path(folder).is_dir() for folder in sys.argv[1:]):
        sys.exit(__doc__)
    sys.exit(1 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 0)

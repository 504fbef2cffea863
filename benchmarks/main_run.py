"""Time the main job as a user runs it: the first run on an empty folder, and the same run again.

    .venv/bin/python benchmarks/main_run.py [--scale 0.05] [--repeats 3]

Prints a table of wall-clock medians of whole processes, imports included, and the peak memory of the largest one.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def timed_run(folder: str, scale: float) -> float:
    """Seconds that one `kc run` takes."""
    started = time.monotonic()
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "kc_pipeline.cli", "run", "--scale", str(scale)],
        env={**os.environ, "KC_DATA_DIR": folder},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def main() -> None:
    """Run, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    first, again = [], []
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            first.append(timed_run(folder, arguments.scale))
            again.append(timed_run(folder, arguments.scale))
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"| main job at scale {arguments.scale}, median of {arguments.repeats} | seconds |\n|---|--:|")
    print(f"| first run, empty folder: city built, 24 months pulled, scored, published | {statistics.median(first):.1f} |")
    print(f"| second run, nothing changed | {statistics.median(again):.1f} |")
    print(f"\npeak memory of one process: {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()

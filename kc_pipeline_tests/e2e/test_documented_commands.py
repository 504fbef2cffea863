"""Every command that README.md and docs/ show: run on a copy of a finished run, or parsed where running it is another test's work.

A documented command for which this file has no way fails.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from kc_runs import SCALE, copied, kc, platform

from kc_pipeline.cli import main

PROJECT = Path(__file__).parents[2]
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
MODEL_CASE = "EXPRESS STOP"
_LINE = re.compile(r"^(?: {4}|\$ )?((?:kc|make|\.venv/bin/python) .*)$")
_INLINE = re.compile(r"`((?:kc|make) [^`\n]+)`|`(benchmarks/\w+\.py)[^`\n]*`")

# Commands that go on until they are stopped, or ask a portal that tests must not ask: beginning -> why they are parsed alone.
PARSED = {
    ("run", "--source", "live"): "asks the city's own portals",
    ("backfill", "--source", "live"): "asks the city's own portals",
    ("run", "--source", "replay"): "run by real/test_real_replay.py on recorded rows",
    ("sandbox", "serve"): "serves until it is stopped; run by unit/sandbox",
    ("ui",): "serves until it is stopped; run by e2e/test_ui.py",
    ("dev",): "serves until it is stopped; run by e2e/test_dev.py",
}
READING = (
    "top",
    "explain",
    "evidence",
    "case",
    "quarantine",
    "review",
    "snapshots",
    "table",
    "export",
    "contracts",
    "trace",
    "verify",
    "purge",
)


def lines() -> list[str]:
    """Every line of a page that stands as a command by itself, once, without its comment."""
    texts: dict[str, None] = {}
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            if match := _LINE.match(line):
                texts[re.sub(r"\s+#.*$", "", match[1]).strip()] = None
    return list(texts)


def mentions() -> list[str]:
    """Commands and benchmarks named within a sentence, once each."""
    return sorted({first or second for page in PAGES for first, second in _INLINE.findall(page.read_text(encoding="utf-8"))})


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that words after `kc` name, and its arguments."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def is_parsed_alone(words: list[str]) -> bool:
    return any(tuple(words[: len(beginning)]) == beginning for beginning in PARSED)


KC = [line for line in lines() if line.startswith("kc ")]
WRITING = [line for line in KC if shlex.split(line)[1] in ("run", "replay", "backfill") and not is_parsed_alone(shlex.split(line)[1:])]
AT_ONCE = [line for line in KC if line not in WRITING and not is_parsed_alone(shlex.split(line)[1:])]


@pytest.fixture(scope="module")
def city(finished_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that the commands of this file share, in the order of the pages."""
    return copied(finished_run[0], tmp_path_factory.mktemp("documented") / "data")


@pytest.fixture(scope="module")
def placeholders(city: Path) -> Mapping[str, str]:
    """What the pages leave to the reader -> what a reader of the finished run would write."""
    made = kc(city, "evidence", MODEL_CASE)
    assert made.returncode == 0, made.stderr
    [packet] = (city / "sandbox" / "cases").rglob("packet.json")
    events = json.loads(packet.read_text())["matters"][0]["events"]
    call = platform(city).lake.read("clean/calls_911", columns=["event_id"])["event_id"][0].as_py()
    return {
        "ID": next(event["event_id"] for event in events if event["state"] == "counts"),
        "PLACE": MODEL_CASE,
        "FILE": str(city.parent / "written.csv"),
        "VIEW": "v1_action_list",
        "DAY": "2026-06-01",
        "calls_911:KC26000123": call,
        "exports/": str(city.parent / "exports"),
    }


@pytest.mark.parametrize("line", AT_ONCE)
def test_a_documented_command_works(line: str, city: Path, placeholders: Mapping[str, str]) -> None:
    words = [placeholders.get(word, word) for word in shlex.split(line)[1:]]
    assert words[0] in READING, f"{line}: no test says how to run this"
    done = kc(city, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("line", WRITING)
def test_a_documented_run_works(line: str, city: Path) -> None:
    words = shlex.split(line)[1:]
    done = kc(city, *words, *(("--scale", SCALE) if words[0] == "run" else ()))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line", [line for line in KC if is_parsed_alone(shlex.split(line)[1:])])
def test_a_documented_server_or_live_run_is_understood(line: str) -> None:
    command, rest = find_command(shlex.split(line)[1:])
    assert not isinstance(command, click.Group)
    with command.make_context(line, rest) as context:
        assert set(context.params) == {parameter.name for parameter in command.params}


@pytest.mark.parametrize("text", [text for text in mentions() if text.startswith("kc ")])
def test_a_command_named_in_a_sentence_exists(text: str) -> None:
    command, rest = find_command(shlex.split(text)[1:])
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {word for word in rest if word.startswith("-")} <= options
    assert command is not main
    if isinstance(command, click.Group):
        assert rest == [], f"kc has no such command: {text}"


@pytest.mark.parametrize("text", sorted({text for text in [*lines(), *mentions()] if text.startswith("make ")}))
def test_a_documented_target_exists(text: str) -> None:
    targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(shlex.split(text, comments=True)[1:]) <= set(targets)


BENCHMARKS = sorted({name for text in [*lines(), *mentions()] for name in re.findall(r"benchmarks/\w+\.py", text)})


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_documented_benchmark_exists_and_compiles(name: str) -> None:
    compile((PROJECT / name).read_text(encoding="utf-8"), name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BENCHMARKS if "argparse" in (PROJECT / name).read_text(encoding="utf-8")])
def test_a_documented_benchmark_says_how_to_use_it(name: str) -> None:
    done = subprocess.run([sys.executable, PROJECT / name, "--help"], capture_output=True, text=True, cwd=PROJECT, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_the_readme_is_a_page_that_names_pages_which_exist() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert len(text.encode()) < 15_000
    assert set(re.findall(r"\bdocs/[\w-]+\.\w+", text)) == {
        f"docs/{path.name}" for path in (PROJECT / "docs").iterdir() if path.suffix in (".md", ".svg")
    }


def test_every_shown_command_is_of_a_kind_that_is_tested() -> None:
    assert len(KC) > 15
    assert [text for text in lines() if not text.startswith(("kc ", "make ")) and "benchmarks/" not in text] == []

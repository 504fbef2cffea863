"""The Dagster UI of a finished run in a real browser: headless Chromium, driven by selenium and Debian's chromium-driver.

Without them the tests are skipped, unless REQUIRE_CHROMIUM is set.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from kc_runs import copied, served_uis
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from kc_pipeline.defs.build import build_defs

GRAPH = build_defs(environ={}).resolve_asset_graph()
GROUPS = {"raw", "quarantine", "clean", "core", "eval", "marts", "warehouse"}
PATIENCE_SECONDS = 20
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1600,1100",
    "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """A headless Chromium that reaches this machine alone."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        missing = "no chromium and chromedriver on the path: apt-get install chromium chromium-driver"
        assert not os.environ.get("REQUIRE_CHROMIUM"), missing
        pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    for switch in SWITCHES:
        options.add_argument(switch)
    driver = Chrome(options, ChromeService(programs[1]))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def uis(browser: Chrome, finished_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Addresses of `kc ui` as it is served by default, to look at, and as it is served to work with."""
    with served_uis(copied(finished_run[0], tmp_path_factory.mktemp("browser") / "copy"), (), ("--writable",)) as addresses:
        yield addresses


@pytest.fixture
def ui(uis: list[str]) -> str:
    """The address of the one to look at."""
    return uis[0]


def seen(browser: Chrome, *texts: str) -> str:
    """The page's text, once it holds all of some texts."""
    found: list[str] = []

    def held(driver: Chrome) -> bool:
        found[:] = [driver.find_element(By.TAG_NAME, "body").text]
        return all(text in found[0] for text in texts)

    wait(browser, held, lambda: f"{[text for text in texts if text not in found[0]]} not in: {found[0]}")
    return found[0]


def wait(browser: Chrome, condition: Callable[[Chrome], bool], said: Callable[[], str]) -> None:
    try:
        WebDriverWait(browser, PATIENCE_SECONDS, 0.1, [StaleElementReferenceException]).until(condition)
    except Exception as error:
        raise AssertionError(said()) from error


def button(browser: Chrome, text: str) -> WebElement:
    """The one button that begins with a text, once it is there."""
    found: list[WebElement] = []

    def held(driver: Chrome) -> bool:
        found[:] = [each for each in driver.find_elements(By.TAG_NAME, "button") if each.text.startswith(text)]
        return len(found) == 1

    wait(browser, held, lambda: f"{len(found)} buttons {text!r}")
    return found[0]


def test_the_graph_is_a_map_of_the_groups(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/asset-groups")
    # Once in the list beside the graph, and once as a node of it.
    wait(
        browser,
        lambda driver: all(driver.find_element(By.TAG_NAME, "body").text.splitlines().count(group) == 2 for group in GROUPS),
        lambda: browser.find_element(By.TAG_NAME, "body").text,
    )
    assert not button(browser, "Materialize all").is_enabled()
    assert not button(browser, "Reload definitions").is_enabled()


def test_an_asset_says_what_it_is_what_its_columns_are_and_where_they_come_from(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/assets/clean/police_reports")
    seen(
        browser,
        "Police reports, one row per distinct police report (not one person).",
        "primary key (event_id)",
        "From raw/police_reports.report_number.",
        "data-engineering",
        "Delta Lake",
        "source: police_reports",
        "assets/clean.py",
        "ingest",
    )
    assert browser.find_elements(By.CSS_SELECTOR, "a[href*='/kc_pipeline/defs/assets/clean.py']")
    assert not button(browser, "Materialize").is_enabled()


def test_the_checks_of_an_asset_are_sentences_that_held(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/assets/clean/police_reports?view=checks")
    names = [key.name for key in GRAPH.asset_check_keys if key.asset_key.to_user_string() == "clean/police_reports"]
    text = seen(browser, f"Checks ({len(names)})", "The feed is no later than it usually is.", "Passed", *names)
    assert text.splitlines().count("Succeeded") == len(names)


def test_a_mart_shows_its_highest_places_and_its_numbers(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/assets/marts/business_risk?view=events")
    seen(browser, "highest", "expected a year", "EXPRESS STOP", "coverage_pct")


def test_a_models_picture_is_drawn(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/assets/eval/model_card?view=events")
    seen(browser, "factors_plot", "[Show Markdown]")
    browser.find_element(By.XPATH, "//td[contains(., 'factors_plot')]/following::*[text()='[Show Markdown]'][1]").click()
    picture = "return [...document.images].some(image => image.alt === 'factors' && image.complete && image.naturalWidth > 300)"
    wait(browser, lambda driver: driver.execute_script(picture), lambda: "no picture named 'factors'")


def test_a_selection_by_source_lists_its_three_tables(browser: Chrome, ui: str) -> None:
    selection = 'tag:"source"="calls_911"'
    browser.get(f"{ui}/assets?asset-selection={quote(selection)}")
    text = seen(browser, *(f"{layer} / calls_911" for layer in ("raw", "clean", "quarantine")))
    assert [line for line in text.splitlines() if line.endswith(" / police_reports")] == []


def test_who_may_write_is_asked_which_days_to_make(browser: Chrome, uis: list[str]) -> None:
    to_look_at, to_work_with = uis
    page = "locations/kc_pipeline/jobs/marts"
    browser.get(f"{to_look_at}/{page}")
    seen(browser, "Tie events to business parcels, score a day and publish it.")
    assert not button(browser, "Materialize all").is_enabled()
    browser.get(f"{to_work_with}/{page}")
    button(browser, "Materialize all").click()
    seen(browser, "Launch runs to materialize 24 assets", "Partition selection", "Launch backfill")
    assert button(browser, "Launch backfill").is_displayed()
    button(browser, "Cancel").click()


def test_who_may_write_can_judge_a_table_again(browser: Chrome, uis: list[str]) -> None:
    for address, may in zip(uis, (False, True), strict=True):
        browser.get(f"{address}/assets/clean/police_reports?view=checks")
        seen(browser, "rows_keep_the_contract")
        assert button(browser, "Execute all").is_enabled() is may


def test_a_month_says_how_many_rows_it_has(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/assets/clean/police_reports?view=partitions&partition=2026-06")
    text = seen(browser, "Materialized (25)", "dagster/partition_row_count")
    assert int(text.split("dagster/partition_row_count")[1].split()[0].replace(",", "")) > 0


def test_what_runs_by_itself_stands_on_one_page(browser: Chrome, ui: str) -> None:
    browser.get(f"{ui}/automation")
    seen(browser, "daily_ingest", "At 05:30 AM", "marts_follow_inputs", "portals_changed", "tell_of_failed_runs", "tell_what_stands_open")


def test_the_launchpad_of_a_job_waits_for_a_partition(browser: Chrome, uis: list[str]) -> None:
    browser.get(f"{uis[1]}/locations/kc_pipeline/jobs/ingest/playground")
    seen(browser, "No errors", "check_clean_police_reports", "raw__police_reports", "Launch Run")

"""Every environment variable, read in one place.

Nothing below `cli` and `defs` reads the environment or the clock; they are handed a `Settings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

SOURCES = ("sandbox", "live", "replay")
SANDBOX_PORT = 8765
SODA_VERSIONS = ("2", "3")
AUDITORS = ("beside", "here")
_MOST_PULLS_AT_ONCE = 16
EXECUTORS = ("in_process", "multiprocess", "docker", "k8s", "dask")
_LIVE_SOCRATA = "https://data.kcmo.org"
_LIVE_ARCGIS = "https://mapd.kcmo.org/kcgis/rest/services"


@dataclass(frozen=True)
class Settings:
    """What a run is told from outside.

    Attributes:
        source: 'sandbox' (synthetic city over loopback), 'live' (the city's portals) or 'replay' (recorded rows over loopback).
        data_dir: folder that holds everything this source's runs keep.
        socrata_url: base URL of the open-data portal.
        arcgis_url: base URL of the GIS server's REST services.
        drop_dir: folder into which departments drop files; None: none.
        department_url: SQLAlchemy URL of the departments' own database; None: none. May hold a password: never printed.
        warehouse_url: SQLAlchemy URL of the BI warehouse; may hold a password: never printed.
        app_token: Socrata application token; never printed.
        history_start: first month that is kept, YYYY-MM.
        schedules_on: whether the daily schedule and the automation start switched on.
        decisions_file: CSV of a person's decisions about businesses and their parcels.
        is_decisions_file_named: whether it was named from outside; then it must exist.
        soda_version: which of Socrata's interfaces is asked, '2' (SODA 2.1) or '3' (needs an application token).
        rules_file: rule sets of the nuisance ordinance that stand in for our own; None: ours.
        notify_webhook: URL to which alerts are posted; None: none. Often a secret itself: never printed.
        notify_smtp: mail server, 'smtp://user@host:587' or 'smtps://...'; None: no mail is sent.
        notify_from: address that alerts come from.
        notify_to: addresses that get them, comma-separated.
        notify_password: of the mail server's user; never printed.
        executor: where the steps of a run launched by Dagster are carried out, one of EXECUTORS.
        dask_address: Dask scheduler for the heavy steps, 'local' for workers on this machine; None: no cluster.
        auditor: where `kc run` judges tables, cleans some feeds and makes some marts, one of AUDITORS.
        pulls_at_once: feeds that `kc run` pulls at the same time.
    """

    source: str
    data_dir: Path
    socrata_url: str
    arcgis_url: str
    drop_dir: Path | None
    department_url: str | None = field(repr=False)
    warehouse_url: str = field(repr=False)
    app_token: str | None = field(repr=False)
    history_start: str
    schedules_on: bool
    decisions_file: Path
    is_decisions_file_named: bool
    rules_file: Path | None = None
    soda_version: str = "2"
    notify_webhook: str | None = field(default=None, repr=False)
    notify_smtp: str | None = None
    notify_from: str = ""
    notify_to: str = ""
    notify_password: str | None = field(default=None, repr=False)
    executor: str = "in_process"
    dask_address: str | None = None
    auditor: str = "beside"
    pulls_at_once: int = 3

    @property
    def raw_dir(self) -> Path:
        """Folder of the raw pulls."""
        return self.data_dir / "raw"

    @property
    def lake_dir(self) -> Path:
        """Folder of the Delta tables."""
        return self.data_dir / "lake"

    @property
    def case_dir(self) -> Path:
        """Folder of the case ledger and the evidence packets."""
        return self.data_dir / "cases"

    @property
    def address_memory_dir(self) -> Path:
        """Folder of the address texts that were parsed before; may be deleted at any time."""
        return self.data_dir / "parsed_addresses"

    @property
    def pull_keys_dir(self) -> Path:
        """Which keys each pull holds, kept from run to run."""
        return self.data_dir / "pull_keys"

    @property
    def staged_dir(self) -> Path:
        """Folder of rows that wait to be published; empty but while a run lasts."""
        return self.data_dir / "staged"

    def at_portal(self, base_url: str) -> "Settings":
        """The same settings, with both portals at a base URL (a local portal serves both protocols)."""
        return replace(self, socrata_url=base_url, arcgis_url=f"{base_url}/arcgis/rest/services")


def load_settings(environ: Mapping[str, str], source: str | None = None) -> Settings:
    """Settings from environment variables (docs/settings.md has them all).

    Args:
        environ: the environment.
        source: overrides KC_SOURCE.

    Raises:
        ValueError: a variable has a value that cannot be used; the message names it.
    """
    source = source or environ.get("KC_SOURCE", "sandbox")
    if source not in SOURCES:
        raise ValueError(f"KC_SOURCE is {source!r}; use one of {', '.join(SOURCES)}")
    data_dir = Path(environ.get("KC_DATA_DIR", "data")).resolve() / source
    sandbox = source == "sandbox"
    local = f"http://127.0.0.1:{SANDBOX_PORT}"
    drop_dir = environ.get("KC_DROP_DIR", str(data_dir / "city" / "drops") if sandbox else "")
    department_url = environ.get("KC_DEPARTMENT_DB", f"sqlite:///{data_dir / 'city' / 'department.sqlite'}" if sandbox else "")
    history_start = environ.get("KC_HISTORY_START", "2024-07" if sandbox else "2015-01")
    if len(history_start) != 7 or history_start[4] != "-" or not history_start.replace("-", "").isdigit():
        raise ValueError(f"KC_HISTORY_START is {history_start!r}; write a month as YYYY-MM")
    soda_version = environ.get("KC_SODA", "2")
    if soda_version not in SODA_VERSIONS:
        raise ValueError(f"KC_SODA is {soda_version!r}; use one of {', '.join(SODA_VERSIONS)}")
    smtp, addresses = environ.get("KC_NOTIFY_SMTP"), [environ.get("KC_NOTIFY_FROM", ""), environ.get("KC_NOTIFY_TO", "")]
    if smtp and not (smtp.startswith(("smtp://", "smtps://")) and all(addresses)):
        raise ValueError("KC_NOTIFY_SMTP is smtp://user@host:587 or smtps://user@host:465, with KC_NOTIFY_FROM and KC_NOTIFY_TO beside it")
    if smtp and urlsplit(smtp).password is not None:
        raise ValueError("KC_NOTIFY_SMTP holds a password; put it into KC_NOTIFY_PASSWORD")
    executor = environ.get("KC_EXECUTOR", "in_process")
    if executor not in EXECUTORS:
        raise ValueError(f"KC_EXECUTOR is {executor!r}; use one of {', '.join(EXECUTORS)}")
    auditor = environ.get("KC_AUDITOR", "beside")
    if auditor not in AUDITORS:
        raise ValueError(f"KC_AUDITOR is {auditor!r}; use one of {', '.join(AUDITORS)}")
    pulls_at_once = environ.get("KC_PULLS_AT_ONCE", "3")
    if not (pulls_at_once.isascii() and pulls_at_once.isdigit() and 1 <= int(pulls_at_once) <= _MOST_PULLS_AT_ONCE):
        raise ValueError(f"KC_PULLS_AT_ONCE is {pulls_at_once!r}; use a number from 1 to {_MOST_PULLS_AT_ONCE}")
    return Settings(
        source=source,
        data_dir=data_dir,
        socrata_url=environ.get("KC_SOCRATA_URL", _LIVE_SOCRATA if source == "live" else local).rstrip("/"),
        arcgis_url=environ.get("KC_ARCGIS_URL", _LIVE_ARCGIS if source == "live" else f"{local}/arcgis/rest/services").rstrip("/"),
        drop_dir=Path(drop_dir) if drop_dir else None,
        department_url=department_url or None,
        warehouse_url=environ.get("KC_WAREHOUSE", f"sqlite:///{data_dir / 'warehouse.sqlite'}"),
        app_token=environ.get("KC_APP_TOKEN"),
        history_start=history_start,
        schedules_on=environ.get("KC_SCHEDULES", "").lower() in {"on", "1", "true"},
        decisions_file=Path(environ.get("KC_DECISIONS") or data_dir / "decisions" / "business_parcels.csv"),
        is_decisions_file_named=bool(environ.get("KC_DECISIONS")),
        rules_file=Path(environ["KC_RULES"]) if environ.get("KC_RULES") else None,
        soda_version=soda_version,
        notify_webhook=environ.get("KC_NOTIFY_WEBHOOK") or None,
        notify_smtp=smtp or None,
        notify_from=addresses[0],
        notify_to=addresses[1],
        notify_password=environ.get("KC_NOTIFY_PASSWORD"),
        executor=executor,
        dask_address=environ.get("KC_DASK_ADDRESS") or None,
        auditor=auditor,
        pulls_at_once=int(pulls_at_once),
    )

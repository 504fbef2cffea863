"""Ask the published views through real BI clients: Apache Superset, GDAL (which QGIS reads by), sqlite3 and psql.

    python3.11 -m venv /tmp/superset && /tmp/superset/bin/pip install apache-superset cachetools psycopg2-binary
    .venv/bin/python benchmarks/bi_clients.py --superset /tmp/superset/bin/python [--warehouse data/sandbox/warehouse.sqlite]
        [--postgres postgresql://user@host/database]

Superset runs in its own environment with its own metadata in a temporary folder; it is asked through its REST interface, as its
pages ask it: the columns of every view with their types, a filter, a join, and the points of a map.  Prints what each client got.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kc_pipeline.catalog.views import MAP_VIEWS, VIEWS

QUESTIONS = {
    "filter": "SELECT count(*) AS n FROM v1_business_risk_current WHERE risk_rank <= 10 AND risk_trend <> 'unknown'",
    "join": (
        "SELECT r.council_district, a.responsible_party, count(*) AS items FROM v1_business_risk_current r "
        "JOIN v1_action_list a ON a.business_parcel_id = r.business_parcel_id "
        "GROUP BY r.council_district, a.responsible_party ORDER BY 1, 2"
    ),
    "map": (
        "SELECT business_names, latitude, longitude, risk_score FROM v1_business_risk_current "
        "WHERE latitude BETWEEN 39.0 AND 39.2 AND longitude BETWEEN -94.7 AND -94.5 ORDER BY risk_rank LIMIT 5"
    ),
}

# What runs inside Superset's own environment.
_INSIDE = r"""
import json, sys
from superset.app import create_app

uris, views, questions = json.loads(sys.argv[1])
app = create_app()
app.config["WTF_CSRF_ENABLED"] = False
with app.app_context():
    from superset.extensions import appbuilder
    appbuilder.sm.add_user("admin", "a", "b", "a@example.org", appbuilder.sm.find_role("Admin"), "admin")
client = app.test_client()
login = {"username": "admin", "password": "admin", "provider": "db"}
head = {"Authorization": "Bearer " + client.post("/api/v1/security/login", json=login).get_json()["access_token"]}


def said(response, status=200):
    assert response.status_code == status, response.get_data(as_text=True)
    return response.get_json()


told = {}
for name, uri in uris.items():
    made = {"database_name": name, "sqlalchemy_uri": uri, "expose_in_sqllab": True}
    database = said(client.post("/api/v1/database/", json=made, headers=head), 201)["id"]
    answer = told[name] = {"columns": {}}
    schema = "main" if uri.startswith("sqlite") else "public"
    for view in views:
        metadata = said(client.get(f"/api/v1/database/{database}/table_metadata/?name={view}&schema={schema}", headers=head))
        answer["columns"][view] = {column["name"]: column["type"] for column in metadata["columns"]}
    for question, sql in questions.items():
        asked = {"database_id": database, "sql": sql, "runAsync": False, "queryLimit": 1000, "client_id": name[:4] + question[:6]}
        answer[question] = said(client.post("/api/v1/sqllab/execute/", json=asked, headers=head))["data"]
print("ANSWER" + json.dumps(told, default=str))
"""


def ask_superset(python: Path, uris: dict[str, str]) -> dict[str, dict]:
    """What Superset answers, by database."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = home / "superset_config.py"
        config.write_text(
            f'SECRET_KEY = "{"k" * 42}"\nPREVENT_UNSAFE_DB_CONNECTIONS = False\nTALISMAN_ENABLED = False\n'
            f'SQLALCHEMY_DATABASE_URI = "sqlite:///{home / "superset.db"}"\n'
        )
        environ = {"SUPERSET_CONFIG_PATH": str(config), "SUPERSET_HOME": str(home), "PATH": str(python.parent), "FLASK_APP": "superset"}
        for words in (["db", "upgrade"], ["init"]):
            subprocess.run([str(python.with_name("superset")), *words], env=environ, check=True, capture_output=True)  # noqa: S603
        asked = json.dumps([uris, list(VIEWS), QUESTIONS])
        done = subprocess.run([str(python), "-c", _INSIDE, asked], env=environ, capture_output=True, text=True, check=False)  # noqa: S603
        answers = [line.removeprefix("ANSWER") for line in done.stdout.splitlines() if line.startswith("ANSWER")]
        if not answers:
            raise SystemExit(f"Superset did not answer:\n{done.stderr[-3000:]}")
    told: dict[str, dict] = json.loads(answers[0])
    return told


def tell(name: str, told: dict) -> None:
    """Print what a database's views look like to Superset, after checking the columns against the catalogue."""
    for view in VIEWS.values():
        if list(told["columns"][view.name]) != list(view.contract.column_names):
            raise SystemExit(f"{view.name}: {name} shows other columns than the catalogue has")
    types = {column: kind for view in told["columns"].values() for column, kind in view.items()}
    shown = {column: types[column] for column in ("as_of", "risk_score", "risk_rank", "is_on_premises", "latitude", "business_names")}
    print(f"Superset, {name}: {len(told['columns'])} views, {sum(map(len, told['columns'].values()))} columns, such as {shown}")
    for question in QUESTIONS:
        print(f"    {question}: {told[question][:3]}")


def ask_plain(command: list[str]) -> None:
    """Print what a command-line client says to the filter."""
    if shutil.which(command[0]):
        done = subprocess.run([*command, QUESTIONS["filter"]], capture_output=True, text=True, check=True)  # noqa: S603
        print(f"{command[0]}: {done.stdout.split()}")


def ask_gdal(url: str) -> None:
    """Print how the map views look to GDAL's PostgreSQL driver, by which QGIS reads them, and what lies in a box."""
    if not shutil.which("ogrinfo"):
        return
    for view in MAP_VIEWS.values():
        box = ["-spat", "-94.6", "39.08", "-94.56", "39.12"]
        done = subprocess.run(["ogrinfo", "-so", *box, f"PG:{url}", view], capture_output=True, text=True, check=False)  # noqa: S603, S607
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        facts = [line for line in done.stdout.splitlines() if line.startswith(("Geometry", "Feature Count", "    ID["))]
        fields = sum(bool(re.match(r"\w+: (String|Integer|Real|Date|DateTime)", line)) for line in done.stdout.splitlines())
        print(f"GDAL, PostGIS, a box of {view}: {'; '.join(map(str.strip, facts))}; {fields} fields")


def main() -> None:
    """Ask every client that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superset", type=Path, help="Python of an environment with Superset")
    parser.add_argument("--warehouse", type=Path, default=Path("data/sandbox/warehouse.sqlite"))
    parser.add_argument("--postgres", help="URL of a published warehouse")
    asked = parser.parse_args()
    uris = {"SQLite": f"sqlite:///{asked.warehouse.resolve()}"}
    if asked.postgres:
        uris["PostgreSQL"] = asked.postgres
    ask_plain(["sqlite3", str(asked.warehouse)])
    if asked.postgres:
        ask_plain(["psql", asked.postgres, "-Atc"])
        ask_gdal(asked.postgres)
    if asked.superset:
        for name, told in ask_superset(asked.superset, uris).items():
            tell(name, told)


if __name__ == "__main__":
    main()

"""Ask Apache Superset about the views; run by the Python of an environment that has Superset, from benchmarks/bi_clients.py.

    ENVIRONMENT/bin/python benchmarks/bi_superset.py SQLALCHEMY_URI QUESTIONS.json

Makes a Superset of its own in a temporary folder, with a random password, and speaks to its REST API, which charts and SQL Lab
use too: registers the database, makes a data set of each view, lists its columns, asks the questions.  Prints the answers as JSON.
"""

import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = """
import os
SECRET_KEY = os.environ["SUPERSET_TRIAL_KEY"]
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.environ["SUPERSET_TRIAL_FOLDER"] + "/metadata.db"
PREVENT_UNSAFE_DB_CONNECTIONS = False  # the warehouse may be a SQLite file
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
"""


class Superset:
    """A signed-in client of a Superset in this process."""

    def __init__(self, folder: Path) -> None:
        password = secrets.token_urlsafe(16)
        (folder / "superset_config.py").write_text(CONFIG)
        os.environ |= {
            "SUPERSET_CONFIG_PATH": str(folder / "superset_config.py"), "SUPERSET_TRIAL_KEY": secrets.token_urlsafe(42),
            "SUPERSET_TRIAL_FOLDER": str(folder), "SUPERSET_HOME": str(folder),
        }  # fmt: skip
        person = ["--username", "analyst", "--firstname", "a", "--lastname", "b", "--email", "analyst@example.org", "--password", password]
        for words in (["db", "upgrade"], ["fab", "create-admin", *person], ["init"]):
            command = str(Path(sys.executable).with_name("superset"))
            subprocess.run([command, *words], check=True, capture_output=True)  # noqa: S603 - our own command
        from superset.app import create_app

        self._client = create_app().test_client()
        told = self.ask("/api/v1/security/login", {"username": "analyst", "password": password, "provider": "db", "refresh": True})
        self._client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {told['access_token']}"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Reply to a request; POST where there is a body.

        Raises:
            RuntimeError: Superset refused; the message is its own.
        """
        reply = self._client.get(path) if body is None else self._client.post(path, json=body)
        if reply.status_code >= 400:
            raise RuntimeError(f"{path}: {reply.status_code} {reply.get_data(as_text=True)[:500]}")
        return reply.get_json()


def main() -> None:
    """Answer every question of the file."""
    uri, questions = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="superset-trial-") as folder:
        superset = Superset(Path(folder))
        started = time.monotonic()
        database = superset.ask("/api/v1/database/", {"database_name": "warehouse", "sqlalchemy_uri": uri, "expose_in_sqllab": True})["id"]
        schema = "main" if uri.startswith("sqlite") else "public"
        columns, ids = {}, {}
        for view in questions["views"]:
            ids[view] = superset.ask("/api/v1/dataset/", {"database": database, "schema": schema, "table_name": view})["id"]
            listed = superset.ask(f"/api/v1/dataset/{ids[view]}")["result"]["columns"]
            columns[view] = {column["column_name"]: [column["type"], bool(column["is_dttm"])] for column in listed}
        answers = {}
        for name, chart in questions["charts"].items():
            source = {"id": ids[chart["view"]], "type": "table"}
            query = {"metrics": [], "row_limit": 50_000, **chart["query"]}
            body = {"datasource": source, "queries": [query], "result_format": "json", "result_type": "full", "force": True}
            answers[name] = superset.ask("/api/v1/chart/data", body)["result"][0]["data"]
        for number, (name, sql) in enumerate(questions["sql"].items()):
            body = {
                "database_id": database,
                "sql": sql,
                "schema": schema,
                "runAsync": False,
                "client_id": f"trial{number}",
                "queryLimit": 50_000,
            }
            answers[name] = superset.ask("/api/v1/sqllab/execute/", body)["data"]
        seconds = time.monotonic() - started
        print(json.dumps({"columns": columns, "answers": answers, "seconds": seconds}, default=str))


if __name__ == "__main__":
    main()

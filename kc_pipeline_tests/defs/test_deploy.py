"""The files of kc_pipeline/deploy, judged by the schemas of what reads them; executors, found by their switch."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import RunLauncher
from dagster._serdes import ConfigurableClassData

from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.executors import find_executor
from kc_pipeline.settings import EXECUTORS, load_settings

DEPLOY = Path(__file__).parents[2] / "kc_pipeline" / "deploy"
ENVIRON = {
    "DAGSTER_PG_URL": "postgresql+psycopg2://kc:x@db:5432/dagster",
    "KC_IMAGE": "kc-pipeline:0.1.0",
    "KC_NETWORK": "kc_network",
    "KC_EXECUTOR": "in_process",
}


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8")))


def launcher_of(config: dict[str, Any]) -> RunLauncher:
    """The run launcher that a dagster.yaml names, its configuration judged by its own schema."""
    named = config["run_launcher"]
    return ConfigurableClassData(named["module"], named["class"], yaml.safe_dump(named["config"])).rehydrate(as_type=RunLauncher)


@pytest.fixture(autouse=True)
def _environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def test_the_docker_launcher_takes_its_configuration() -> None:
    docker = pytest.importorskip("dagster_docker", reason="the extra 'docker' is not installed")
    launcher = launcher_of(read("dagster-docker.yaml"))
    assert isinstance(launcher, docker.DockerRunLauncher)
    assert (launcher.image, launcher.networks) == ("kc-pipeline:0.1.0", ["kc_network"])
    assert launcher.container_kwargs["volumes"] == ["kc_data:/data"]


@pytest.mark.parametrize("name", ["dagster-docker.yaml", "dagster-k8s.yaml"])
def test_a_setting_that_a_launcher_does_not_know_is_refused(name: str) -> None:
    config = read(name)
    pytest.importorskip(config["run_launcher"]["module"])
    config["run_launcher"]["config"]["no_such_setting"] = 1
    with pytest.raises(dg.DagsterInvalidConfigError, match="no_such_setting"):
        launcher_of(config)


def test_the_kubernetes_launcher_configuration_is_of_its_schema() -> None:
    from dagster._config import process_config, resolve_to_config_type

    k8s = pytest.importorskip("dagster_k8s", reason="the extra 'k8s' is not installed")
    config = read("dagster-k8s.yaml")["run_launcher"]["config"]
    done = process_config(resolve_to_config_type(k8s.K8sRunLauncher.config_type()), config)
    assert done.success, done.errors
    assert done.value["job_image"] == "kc-pipeline:0.1.0"


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster-docker.yaml", "dagster-k8s.yaml"])
def test_the_whole_file_is_of_the_schema_of_an_instance(name: str, tmp_path: Path) -> None:
    from dagster._core.instance.config import dagster_instance_config

    pytest.importorskip("dagster_postgres", reason="the extra 'postgres' is not installed")
    (tmp_path / "dagster.yaml").write_text((DEPLOY / name).read_text(encoding="utf-8"))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["run_queue"]["max_concurrent_runs"] == 1


def test_the_code_location_has_one_name_whoever_serves_it() -> None:
    named = {
        (of_module["module_name"], of_module["location_name"])
        for folder in (DEPLOY.parents[1], DEPLOY)
        for of_module in [yaml.safe_load((folder / "workspace.yaml").read_text())["load_from"][0]["python_module"]]
    }
    server = yaml.safe_load((DEPLOY / "workspace-server.yaml").read_text())["load_from"][0]["grpc_server"]
    assert named == {("kc_pipeline.definitions", server["location_name"])}


def test_the_services_of_the_compose_file_fit_together() -> None:
    compose = read("docker-compose.yaml")
    services = compose["services"]
    assert set(services) == {"db", "code", "webserver", "daemon"}
    assert "--read-only" in services["webserver"]["command"]
    assert services["webserver"]["ports"] == ["127.0.0.1:3000:3000"], "no log-in: the host alone reaches it"
    assert [n for n, s in services.items() if any("docker.sock" in v for v in s.get("volumes", []))] == ["daemon"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert set(service["networks"]) <= set(compose["networks"])
        named = {volume.split(":")[0] for volume in service["volumes"] if not volume.startswith((".", "/"))}
        assert named <= set(compose["volumes"])
    environment = services["daemon"]["environment"]
    assert (environment["KC_NETWORK"], environment["KC_IMAGE"]) == (compose["networks"]["kc"]["name"], services["code"]["image"])
    passed_on = read("dagster-docker.yaml")["run_launcher"]["config"]["env_vars"]
    assert set(passed_on) <= set(environment)
    assert read("workspace-server.yaml")["load_from"][0]["grpc_server"]["host"] in services


def test_what_the_image_copies_and_installs_exists() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    project = DEPLOY.parents[1]
    copied = [word for line in re.findall(r"^COPY (?:--\S+ )?(.+) \S+$", text, flags=re.MULTILINE) for word in line.split()]
    assert copied
    assert [name for name in copied if not (project / name).exists()] == []
    [extras] = re.findall(r"'\.\[(.+)\]'", text)
    known = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", known, flags=re.MULTILINE) for extra in extras.split(","))


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_switch_names_the_executor(name: str) -> None:
    if name in ("docker", "k8s", "dask"):
        pytest.importorskip(f"dagster_{name}", reason=f"the extra {name!r} is not installed")
    found = build_defs(environ={"KC_EXECUTOR": name}).executor
    assert isinstance(found, dg.ExecutorDefinition)
    assert found.name == name


def test_an_unknown_executor_or_one_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="KC_EXECUTOR is 'threads'; use one of in_process, multiprocess, docker, k8s, dask"):
        load_settings({"KC_EXECUTOR": "threads"})
    monkeypatch.setitem(sys.modules, "dagster_k8s", None)
    with pytest.raises(ValueError, match=r"dagster_k8s is not installed; pip install 'kc-pipeline\[k8s\]'"):
        find_executor("k8s")


@pytest.mark.parametrize("module", ["kc_pipeline.defs.build"])
def test_no_executor_of_another_package_is_loaded_unless_asked_for(module: str) -> None:
    program = f"import sys, {module}; print([m for m in sys.modules if m in ('dagster_k8s', 'dagster_docker', 'dagster_dask', 'dask')])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"

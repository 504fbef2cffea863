"""Where the steps of a run are carried out: in the run's own process, or, by a switch, elsewhere."""

from importlib import import_module

import dagster as dg

# Name of the switch -> module and executor; those of other packages are installed by the extra of that name.
_ELSEWHERE = {
    "docker": ("dagster_docker", "docker_executor"),
    "k8s": ("dagster_k8s", "k8s_job_executor"),
    "dask": ("dagster_dask", "dask_executor"),
}


def find_executor(name: str, dask_address: str | None = None) -> dg.ExecutorDefinition:
    """The executor that KC_EXECUTOR names.

    Args:
        name: one of `settings.EXECUTORS`.
        dask_address: scheduler for 'dask'; 'local' or None: each run starts workers on its own machine.

    Raises:
        ValueError: the package that has it is not installed; the message says which to install.
    """
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    module, attribute = _ELSEWHERE[name]
    try:
        found: dg.ExecutorDefinition = getattr(import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"KC_EXECUTOR is {name!r}, but {module} is not installed; pip install 'kc-pipeline[{name}]'") from error
    if name != "dask":
        return found
    is_local = dask_address in (None, "local")
    cluster = {"local": {"dashboard_address": None}} if is_local else {"existing": {"address": dask_address}}
    return found.configured({"cluster": cluster}, name=name)

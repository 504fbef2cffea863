"""What holds for every test."""

pytest_plugins = ["fault_table"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: made bytes may carry a clock, and each worker must collect the same names."""
    return argname if isinstance(val, bytes) else None

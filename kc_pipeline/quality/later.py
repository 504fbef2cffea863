"""Modules that are imported only once something of them is asked for."""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module that was not imported yet.

    The standard library's LazyLoader would import it with the second statement that imports it, used or not.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def put_off(*names: str) -> None:
    """Let modules that were not imported yet be imported when something of them is first asked for."""
    for name in names:
        sys.modules.setdefault(name, _Later(name))

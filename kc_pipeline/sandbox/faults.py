"""What a real portal does wrong, on demand: so that an operator or a test can rehearse it.

Each misbehaviour stands in FAULTS once, with what its argument means. How it looks on the wire is in `misbehaviour`.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kc_pipeline.sandbox.records import DataSetInfo, DeclaredColumn

_COUNT = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z_][\w/-]{0,80}|[a-z0-9]{4}-[a-z0-9]{4}")
_REMOVED = ":removed"


@dataclass(frozen=True)
class Fault:
    """One misbehaviour.

    Attributes:
        argument: what stands behind the equals sign: 'N', 'ROWS', 'PERCENT', 'ID', 'FIELD', or nothing.
        description: one line for people.
    """

    argument: str
    description: str


FAULTS: Mapping[str, Fault] = {
    "server-error": Fault("N", "the next N pages: HTTP 503"),
    "throttle": Fault("N", "the next N pages: HTTP 429, Retry-After 1"),
    "throttle-date": Fault("N", "the next N pages: HTTP 429, Retry-After a date"),
    "accepted": Fault("N", "the next N pages: HTTP 202 and nothing"),
    "html": Fault("N", "the next N pages: HTTP 200, a maintenance page"),
    "error-object": Fault("N", "the next N pages: HTTP 200, an error of code 500"),
    "hang-up": Fault("N", "the next N pages: no answer, connection closed"),
    "cut-body": Fault("N", "the next N pages: connection broken in mid-body"),
    "truncated-page": Fault("N", "the next N pages: end left out, length consistent"),
    "line-cut": Fault("N", "the next N pages: last rows left out, cut cleanly"),
    "damaged-gzip": Fault("N", "the next N pages: damaged compression"),
    "gzip-bomb": Fault("N", "the next N pages: 1 MB that unpacks to 1 GiB"),
    "slow-drip": Fault("N", "the next N pages: a byte at a time"),
    "slow-headers": Fault("N", "the next N pages: headers without end"),
    "hang": Fault("N", "the next N pages: silence, connection open"),
    "wrong-encoding": Fault("N", "the next N pages: called gzip, and not packed"),
    "token-echo": Fault("N", "the next N pages: HTTP 500 that repeats the token"),
    "redirect": Fault("N", "the next N pages: redirect to a private address"),
    "early-empty": Fault("N", "the next N pages: no rows"),
    "moving-count": Fault("N", "the next N counts: each another number"),
    "bad-count": Fault("N", "the next N counts: below zero"),
    "rows-come": Fault("N", "the next N pages: with each, an early row comes"),
    "rows-go": Fault("N", "the next N pages: with each, an early row goes"),
    "lost-rows": Fault("PERCENT", "so much of every data set is not there"),
    "touched-rows": Fault("", "every :updated_at is new, as after a full replace"),
    "short-pages": Fault("ROWS", "every page: at most so many rows"),
    "repeat-pages": Fault("", "every page: the first one again"),
    "no-id-compare": Fault("", "filters that compare :id are refused"),
    "data-set-gone": Fault("ID", "this data set or layer is not found"),
    "data-set-refused": Fault("ID", "this data set or layer is forbidden"),
    "column-added": Fault("FIELD", "a further column of this name is declared"),
    "column-removed": Fault("FIELD", "this column is neither declared nor served"),
    "column-renamed": Fault("FIELD", "this column is called FIELD_new"),
    "column-retyped": Fault("FIELD", "this column is declared text, or number if text"),
}


@dataclass
class Faults:
    """The misbehaviours of one portal; those that befall pages are counted down.

    Attributes:
        left: name -> how many pages or times are left, or the number that always holds.
        named: name -> the data sets or fields that it befalls.
        gone: rows that went with the pages so far.
    """

    left: dict[str, int] = field(default_factory=dict)
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    gone: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Faults":
        """Faults from texts such as 'server-error=2', 'no-id-compare' or 'column-removed=address'.

        Raises:
            ValueError: a text names no fault, or its argument is of the wrong kind; the message lists them.
        """
        faults = cls()
        for text in texts:
            name, _, argument = text.partition("=")
            known = FAULTS.get(name)
            takes_name = known is not None and known.argument in ("ID", "FIELD")
            if known is None or not (_NAME.fullmatch(argument) if takes_name else _COUNT.fullmatch(argument or "1")):
                shown = ", ".join(f"{n}={f.argument}" if f.argument else n for n, f in FAULTS.items())
                raise ValueError(f"{text!r} is no fault; there are {shown}")
            if takes_name:
                faults.named[name] = (*faults.named.get(name, ()), argument)
            else:
                faults.left[name] = int(argument or "1")
        return faults

    def number(self, name: str) -> int:
        """The number of a fault that always holds; 0 where it is off."""
        return self.left.get(name, 0)

    def strikes(self, name: str) -> bool:
        """Whether a counted fault befalls this page."""
        return self.taken(name) > 0

    def taken(self, name: str) -> int:
        """How many pages of a counted fault were left before this one."""
        with self._lock:
            left = self.left.get(name, 0)
            self.left[name] = max(left - 1, 0)
        return left

    def turn_page(self) -> None:
        """A page was read: rows come and go."""
        self.taken("rows-come")
        self.gone += self.strikes("rows-go")

    def befalls(self, name: str, subject: str) -> bool:
        """Whether a fault is meant for this data set or field."""
        return any(one.casefold() == subject.casefold() for one in self.named.get(name, ()))

    def declared(self, info: DataSetInfo) -> DataSetInfo:
        """A data set as the portal describes and reads it under these faults; places of the columns stay."""
        return replace(info, columns=tuple(map(self._column, info.columns))) if self.named else info

    def described(self, info: DataSetInfo) -> DataSetInfo:
        """The same for its description alone: without removed columns, with those that were added."""
        kind = "text" if info.protocol == "socrata" else "esriFieldTypeString"
        kept = tuple(column for column in info.columns if not column.field_name.startswith(_REMOVED))
        return replace(info, columns=(*kept, *(DeclaredColumn(name, kind) for name in self.named.get("column-added", ()))))

    def _column(self, column: DeclaredColumn) -> DeclaredColumn:
        name, kind = column.field_name, column.data_type
        if self.befalls("column-removed", name):
            return DeclaredColumn(f"{_REMOVED}_{name}", kind)
        if self.befalls("column-retyped", name):
            text, number = ("esriFieldTypeString", "esriFieldTypeDouble") if kind.startswith("esri") else ("text", "number")
            return DeclaredColumn(name, number if kind == text else text)
        return DeclaredColumn(f"{name}_new", kind) if self.befalls("column-renamed", name) else column

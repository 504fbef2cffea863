"""What a drift is: one change of a feed, told in one sentence, with the numbers behind it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

Facts = dict[str, int | float | str]


@dataclass(frozen=True)
class Drift:
    """One change of a feed.

    Kind, feed, subject and since are its identity: as long as a change lasts they stay as they are, however often it is
    looked at, while the sentence and the facts follow the newest rows.

    Attributes:
        kind: snake_case name of the kind of change.
        feed: name of the feed.
        subject: the category, column or place reason that changed; the feed itself where all of it did.
        since: day of the change; of a silence the last day with a row. None: not a matter of days.
        sentence: what changed, for a reader who is no engineer.
        facts: the numbers that show it.
    """

    kind: str
    feed: str
    subject: str
    since: date | None
    sentence: str
    facts: Facts = field(default_factory=dict, compare=False)

    @property
    def identity(self) -> tuple[str, str, str, date | None]:
        """What tells one alarm from another."""
        return self.kind, self.feed, self.subject, self.since


def in_order(drifts: Iterable[Drift]) -> list[Drift]:
    """Drifts by day, kind and subject."""
    return sorted(drifts, key=lambda drift: (drift.since or date.min, drift.kind, drift.subject))


def plural(count: int, noun: str) -> str:
    """A count with its noun: '1 row', '2,310 rows'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float) -> str:
    """A share for people: '79 %', '0.4 %'."""
    return f"{100 * share:.0f} %" if share >= 0.095 or share == 0 else f"{100 * share:.2g} %"

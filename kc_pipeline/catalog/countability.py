"""Why an event may not count under the nuisance ordinance, each reason in a sentence.

A reason is open where an exact record or a person's decision could remove it: an event with open reasons alone is 'possible',
with any other it is 'excluded', with none it 'counts'.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kc_pipeline.catalog.events import NEVER_COUNTED, NEVER_COUNTED_BY_TEXT


@dataclass(frozen=True)
class Reason:
    """Why an event does not count.

    Attributes:
        says: the reason in a sentence.
        is_open: whether an exact record or a person's decision could remove it.
        is_sensitive: whether the event may show who was a victim or a patient, so that an owner is told only how many there are.
    """

    says: str
    is_open: bool = False
    is_sensitive: bool = False


REASONS: Mapping[str, Reason] = {
    "not_exact": Reason("Known only to the block, or to a point beside the parcel; only an exact record ties it to the place.", True),
    "needs_review": Reason("A call says what its caller said; it counts once a person has confirmed it.", True),
    "domestic_unknown": Reason("The source does not say whether it was domestic violence.", True),
    "unknown_code": Reason("The source's code has no meaning in catalog/events.py yet.", True),
    "objection_pending": Reason("The owner objects to it, and that is not decided.", True),
    "objection_accepted": Reason("An objection to it was accepted."),
    "review_rejected": Reason("A person looked into it and found that it does not count."),
    "duplicate_incident": Reason("It is about an incident that another record stands for."),
    "off_premises": Reason("Its own point lies off the parcel that its address or parcel number names."),
    "domestic": Reason("Domestic violence never counts against a place.", is_sensitive=True),
    "sexual_assault": Reason("Sexual assault and exploitation never count against a place.", is_sensitive=True),
    "stalking": Reason("Stalking and harassment never count against a place.", is_sensitive=True),
    "medical": Reason("Calls for medical help never count.", is_sensitive=True),
    "welfare": Reason("Calls about somebody's welfare, suicide or absence never count.", is_sensitive=True),
    "false_alarm": Reason("Alarms never count; the records do not tell a true one from a false one."),
    "officer_initiated": Reason("Begun by an officer, not by an offense or a complaint."),
    "call_for_protection": Reason("A business as a rule suffers and reports such things itself; asking for protection never counts."),
    "merely_present": Reason("Somebody was there, and no offense is named."),
    "no_offense": Reason("The record names no intended offense."),
    "earlier_law": Reason("It was reported before the rule set was in force."),
    "not_listed": Reason("The rule set does not list its kind."),
}

_NAMED = {reason for of_feed in NEVER_COUNTED.values() for reason in of_feed.values()} | {r for _, r in NEVER_COUNTED_BY_TEXT}
if unknown := _NAMED - set(REASONS):
    raise ValueError(f"catalog/events.py names reasons that catalog/countability.py does not explain: {sorted(unknown)}")

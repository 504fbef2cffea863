"""The fault matrix: what can go wrong, and what must happen then. Tests name a row by `@pytest.mark.fault(number)`."""

from typing import NamedTuple


class FaultRow(NamedTuple):
    """One row: the fault, and what must happen."""

    fault: str
    outcome: str


_ROWS = (
    FaultRow("The server fails once or twice (5xx)", "Asked again after a growing, jittered wait; the result is complete"),
    FaultRow("The server fails for ever", "The error names the source; the last good data stays; other sources are refreshed"),
    FaultRow("Too many requests (429)", "Waits as long as Retry-After says, in seconds or as a date, up to a cap"),
    FaultRow("Not ready yet (202)", "Asked again"),
    FaultRow("The connection breaks, before or within the body", "The page is asked for again; the result is complete"),
    FaultRow("A body cut short whose length fits", "It cannot be parsed, so the page is asked for again"),
    FaultRow("A page cut cleanly between rows", "The next page brings the rest, or the count does not agree and nothing is kept"),
    FaultRow("HTTP 200 with an error object", "An error by its code: passing ones are asked again, refusals fail at once"),
    FaultRow("HTTP 200 with a maintenance page", "Its content type is refused and the page asked for again"),
    FaultRow("An empty page too early", "Rows and count do not agree; nothing is kept"),
    FaultRow("Pages shorter than asked for", "Goes on by the rows received; the result is complete"),
    FaultRow("A layer says there is more, on a page without rows", "Goes on; without end it fails"),
    FaultRow("Rows come and go while pages are read", "What is kept is what the source held; no row twice, none lost"),
    FaultRow("The source's count moves during a pull", "Pulled again, three times at most; then it fails and nothing is kept"),
    FaultRow("A late row with an old time of change", "Its month's count, or the overlap of open months, or a sweep finds it"),
    FaultRow("A corrected row", "A new pull holds the new version; the old pull can still be read"),
    FaultRow("A deleted row", "Gone from the newest pull, still in the older ones"),
    FaultRow("A full replace that touches every time of change", "Read again, and no clean row changes"),
    FaultRow("A column added, removed or renamed", "Named; stops only where a required column is gone"),
    FaultRow("A column of another type", "The declared type is noted and the change named; values stay text"),
    FaultRow("A bad row", "Quarantined with its reason; received = good + quarantined + duplicates"),
    FaultRow("The volume collapses, or a category falls silent", "Found, named and dated; a month that lost most rows is not believed"),
    FaultRow("A server that hangs or drips", "A deadline ends it, whatever it waits for"),
    FaultRow("A small body that unpacks to a huge one", "Refused within bounded memory"),
    FaultRow("A redirect to another host or a private address", "Refused, not followed; within the portal it is followed"),
    FaultRow("A token or password in a URL, a message or a file", "Redacted, and sent to its own portal alone"),
    FaultRow("SQL or SoQL in names and values", "Values are quoted or bound, names checked"),
    FaultRow("A cell that starts a formula", "Written so that no spreadsheet computes it"),
    FaultRow("The process is killed at any step of a commit or publish", "Old or new, never half"),
    FaultRow("The disk is full, or fails", "The last good data stays; what was left is cleaned at the next start"),
    FaultRow("Two runs at once", "One wins, the other says why it did not"),
    FaultRow("The holder of the lock dies", "The lock is free"),
    FaultRow("Somebody reads while a day is published", "The reader sees one version"),
    FaultRow("A long transaction of a BI tool", "Publishing goes on"),
    FaultRow("Validation fails", "What is published stays; it is shown as stale"),
    FaultRow("The hour that clocks skip or repeat", "Flagged, not guessed"),
    FaultRow("The clock is set back", "Pulls and snapshots stay in order"),
    FaultRow("Raw bytes changed on disk", "The chain of hashes breaks, and the file is named"),
    FaultRow("A replay from raw pages without a network", "The same clean rows"),
    FaultRow("Anybody reaches the Dagster UI", "It is served read-only"),
)
ROWS = dict(enumerate(_ROWS, start=1))

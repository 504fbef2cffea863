"""What can go wrong with a source, told apart by what helps: asking again, or a person.

Messages name the feed, the id, the column and the fix. No secret stands in one: `redact` is applied to every message.
"""

import re
from collections.abc import Sequence

_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")
_SECRET_PARAMETER = re.compile(
    r"(?i)([\w$]*(?:token|password|passwd|pwd|secret|api[-_]?key))([\"']?\s*(?:=|:|%3D)\s*)(?:\"[^\"]*\"|'[^']*'|[^\s&;,'\"]+)"
)
_AUTHORIZATION = re.compile(r"(?i)(authorization[\"']?\s*[=:]\s*[\"']?)(?:(?:basic|bearer|oauth)\s+)?[^\s,'\"]+")


def redact(text: str, *secrets: str | None) -> str:
    """A text without user names and passwords in URLs, without values of tokens and the like, without the given secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _AUTHORIZATION.sub(r"\1***", _USER_INFO.sub("***@", text))
    return _SECRET_PARAMETER.sub(r"\1\2***", text)


class SourceError(Exception):
    """A source could not be read.

    Attributes:
        status: HTTP status, or the code of an ArcGIS error object; None where there is none.
        retry_after: seconds that the server asked to wait; None where it did not.
        causes: the errors that this one collects.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None, causes: Sequence["SourceError"] = ()
    ) -> None:
        super().__init__(redact(message).encode(errors="replace").decode())  # a portal's words may hold half a letter, no log can
        self.status = status
        self.retry_after = retry_after
        self.causes = tuple(causes)


class TransientSourceError(SourceError):
    """Asking again later can help."""


class PermanentSourceError(SourceError):
    """Asking again gives the same answer; somebody has to change something."""


def collected(feed: str, errors: Sequence[SourceError]) -> SourceError:
    """One error for several; permanent only if every one of them is."""
    kind = PermanentSourceError if all(isinstance(error, PermanentSourceError) for error in errors) else TransientSourceError
    if len(errors) == 1:
        return kind(str(errors[0]), status=errors[0].status, causes=errors)
    lines = "\n".join(f"- {error}" for error in errors)
    return kind(f"{feed}: {len(errors)} data sets failed, the others were kept:\n{lines}", causes=errors)

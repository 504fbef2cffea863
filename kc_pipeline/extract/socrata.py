"""Read Socrata data sets: allowed columns only, pages in the order of :id, counted before and after.

How a query is sent and what a page looks like is in `soda`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.manifest import KEYSET, OFFSET, Facts, Pulled
from kc_pipeline.extract.raw import PullWriter, RawStore
from kc_pipeline.extract.replies import JsonAnswer
from kc_pipeline.extract.soda import Ask, soda
from kc_pipeline.extract.soql import ROW_ID, filters, joined, of_partition, plain, quoted
from kc_pipeline.extract.transport import (
    DEFAULT_PAGE_SIZE,
    PULL_ATTEMPTS,
    WHOLE,
    Held,
    Months,
    Survey,
    by_partition,
    check_required,
    label,
    match_fields,
    read_until_agreed,
    whole_count,
)

_MOST_MONTHS = 50_000


@dataclass(frozen=True)
class Metadata:
    """What the portal declares.

    Attributes:
        declared: (name, type) of each column.
        resolution: canonical raw name -> column.
        rows_updated_at: UTC, ISO 8601; None where the portal does not say.
    """

    declared: tuple[tuple[str, str], ...]
    resolution: Mapping[str, str]
    rows_updated_at: str | None


class SocrataTransport:
    """Data sets of one portal."""

    def __init__(
        self,
        base_url: str,
        client: PortalClient,
        store: RawStore,
        now: Callable[[], datetime],
        page_size: int = DEFAULT_PAGE_SIZE,
        version: str = "2",
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            base_url: of the portal.
            client: asks it.
            store: where pulls are kept.
            now: the time, UTC.
            page_size: rows to ask for at once.
            version: of SODA, '2' or '3'.
        """
        self._base, self._client, self._store, self._now, self._page_size = base_url, client, store, now, page_size
        self._soda = soda(version, base_url, client)
        self._known: dict[tuple[str, str], Metadata] = {}

    def listing(self) -> frozenset[str]:
        """Ids of every data set that the portal lists."""
        answer = JsonAnswer(lambda told: frozenset(str(entry["id"]) for entry in told))
        self._client.get(f"{self._base}/api/views.json", what="the portal's listing", check=answer)
        return answer.value

    def metadata(self, data_set: DataSet) -> Metadata:
        """What the portal declares about a data set; asked once.

        Raises:
            PermanentSourceError: the data set is gone, or lacks a required column.
        """
        key = (data_set.feed, data_set.id)
        if key not in self._known:
            answer = JsonAnswer(_declared)
            try:
                self._client.get(f"{self._base}/api/views/{data_set.id}.json", what=label(data_set), check=answer)
            except PermanentSourceError as error:
                if error.status not in {404, 410}:
                    raise
                message = f"{error}; a retired id? edit kc_pipeline/catalog/sources.py"
                raise PermanentSourceError(message, status=error.status) from error
            declared, changed_at = answer.value
            names = [name for name, _ in declared]
            resolution = match_fields(data_set, names)
            check_required(data_set, resolution, names)
            self._known[key] = Metadata(declared, resolution, changed_at)
        return self._known[key]

    def state(self, data_set: DataSet) -> str | None:
        """When the rows last changed, as the portal describes the data set."""
        self._known.pop((data_set.feed, data_set.id), None)
        return self.metadata(data_set).rows_updated_at

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """Rows and newest change by month, and the portal's own total."""
        self._known.pop((data_set.feed, data_set.id), None)
        metadata = self.metadata(data_set)
        where = joined(filters(data_set))
        if data_set.month_field is None:
            held = self._held(data_set, metadata, where)
            return Survey(held.rows, {WHOLE: held} if held.rows else {}, frozenset(metadata.resolution))
        column = plain(metadata.resolution[data_set.month_field])
        select = (f"date_trunc_ym({column}) as month", "count(*) as row_count", f"max({data_set.updated_field}) as changed_at")
        for _ in range(PULL_ATTEMPTS):
            told = self._soda.rows(Ask(data_set.id, select, where, "month", _MOST_MONTHS), label(data_set))
            total = self._held(data_set, metadata, where).rows
            rows = _months(told, data_set)
            if sum(count for _, count, _ in rows) == total:
                break
        else:
            raise TransientSourceError(
                f"{label(data_set)}: the months do not add up to the portal's total of {total:,} rows; is it reloading?"
            )
        partitions = by_partition([(m, n, c or metadata.rows_updated_at) for m, n, c in rows], months)
        return Survey(total, partitions, frozenset(metadata.resolution))

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Read a partition, as `read_until_agreed` says.

        Raises:
            TransientSourceError: rows received and what the portal holds did not agree; nothing was kept.
            PermanentSourceError: the portal refuses the query.
        """
        metadata = self.metadata(data_set)
        where = [*filters(data_set), *of_partition(metadata.resolution.get(data_set.month_field or ""), partition, months)]
        with self._store.begin(data_set.feed, data_set.id, partition) as writer:
            paging = KEYSET

            def read(count: int) -> int:
                nonlocal paging
                try:
                    return self._pages(writer, data_set, metadata, where, paging, count)
                except _RefusedComparisonError:
                    paging = OFFSET
                    return self._pages(writer, data_set, metadata, where, paging, count)

            agreed = read_until_agreed(
                label(data_set, partition), writer, held, ask=lambda: self._held(data_set, metadata, joined(where)), read=read
            )
            facts = Facts(
                transport=str(data_set.transport),
                paging=paging,
                count_before=agreed.rows,
                count_after=agreed.rows,
                changed_at=agreed.changed_at,
                declared=metadata.declared,
                resolution=metadata.resolution,
                implied=data_set.implied,
                key_field=ROW_ID,
            )
            return writer.commit(facts, self._now)

    def _pages(self, writer: PullWriter, data_set: DataSet, metadata: Metadata, where: list[str], paging: str, count: int) -> int:
        """Read pages until an empty one; returns the number of distinct row ids."""
        writer.clear()
        columns = (ROW_ID, *dict.fromkeys(plain(name) for name in metadata.resolution.values()))
        ids: list[pa.ChunkedArray] = []
        known: set[str] = set()
        while True:
            last = ids[-1][-1].as_py() if ids else None
            keyset = [f":id > {quoted(last)}"] if last is not None and paging == KEYSET else []
            offset = writer.rows if paging == OFFSET else 0
            ask = Ask(data_set.id, columns, joined([*where, *keyset]), None, self._page_size, offset)
            try:
                page = self._soda.page(ask, label(data_set))
            except PermanentSourceError as error:
                if keyset and error.status == 400:
                    raise _RefusedComparisonError from error
                raise
            writer.requests.append(page.request)
            if not page.ids:
                return int(pc.count_distinct(pa.chunked_array([c for one in ids for c in one.chunks], pa.string())).as_py())
            before = len(known)
            known.update(page.ids.to_pylist())
            if len(known) == before:  # a small month would be read thousands of times before it exceeded what a page may hold
                raise TransientSourceError(f"{label(data_set)}: a page holds only rows that were received before; the portal repeats pages")
            ids.append(page.ids)
            writer.headers = writer.headers or dict(page.reply.headers)
            writer.add_page(page.reply.wire, page.page_format, page.reply.encoding, page.reply.content, len(page.ids))
            if writer.rows > 2 * count + 2 * self._page_size:
                raise TransientSourceError(f"{label(data_set)}: {writer.rows:,} rows received of {count:,}; the portal repeats pages")

    def _held(self, data_set: DataSet, metadata: Metadata, where: str | None) -> Held:
        """The portal's own count and newest change of some rows."""
        select = ("count(*) as row_count", f"max({data_set.updated_field}) as changed_at")
        for row in self._soda.rows(Ask(data_set.id, select, where), label(data_set)):
            return Held(_whole(row.get("row_count"), data_set), _said(row) or metadata.rows_updated_at)
        raise TransientSourceError(f"{label(data_set)}: the portal gave no count")


def _declared(told: Any) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """Declared columns and the moment of the last change, from the portal's description of a data set."""
    declared = tuple((str(column["fieldName"]), str(column["dataTypeName"])) for column in told["columns"])
    updated = told.get("rowsUpdatedAt")
    return declared, datetime.fromtimestamp(int(updated), UTC).isoformat() if updated else None


def _months(told: list[dict[str, Any]], data_set: DataSet) -> list[tuple[str | None, int, str | None]]:
    """Month, count and newest change of each row of a survey."""
    return [(str(row["month"])[:7] if row.get("month") else None, _whole(row.get("row_count"), data_set), _said(row)) for row in told]


def _said(row: dict[str, Any]) -> str | None:
    return str(row["changed_at"]) if row.get("changed_at") else None


def _whole(value: object, data_set: DataSet) -> int:
    try:
        return whole_count(value)
    except ValueError:
        raise TransientSourceError(f"{label(data_set)}: the portal gave {value!r} as a count") from None


class _RefusedComparisonError(Exception):
    """The portal does not compare :id."""

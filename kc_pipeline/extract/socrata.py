"""Read Socrata data sets over SODA 2.1: allowed columns only, CSV pages in the order of :id, counted before and after."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import CSV, PortalClient
from kc_pipeline.extract.manifest import KEYSET, OFFSET, Facts, Pulled, Request
from kc_pipeline.extract.raw import PullWriter, RawStore
from kc_pipeline.extract.soql import ROW_ID, CheckedPage, filters, joined, of_partition, plain, quoted
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
)

_MOST_MONTHS = "50000"


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
        self, base_url: str, client: PortalClient, store: RawStore, now: Callable[[], datetime], page_size: int = DEFAULT_PAGE_SIZE
    ) -> None:
        self._base, self._client, self._store, self._now, self._page_size = base_url, client, store, now, page_size
        self._known: dict[tuple[str, str], Metadata] = {}

    def listing(self) -> frozenset[str]:
        """Ids of every data set that the portal lists."""
        told = self._client.get(f"{self._base}/api/views.json", what="the portal's listing").json()
        return frozenset(str(entry["id"]) for entry in told)

    def metadata(self, data_set: DataSet) -> Metadata:
        """What the portal declares about a data set; asked once.

        Raises:
            PermanentSourceError: the data set is gone, or lacks a required column.
        """
        key = (data_set.feed, data_set.id)
        if key not in self._known:
            try:
                told = self._client.get(f"{self._base}/api/views/{data_set.id}.json", what=label(data_set)).json()
            except PermanentSourceError as error:
                if error.status != 404:
                    raise
                raise PermanentSourceError(f"{error}; a retired id? edit kc_pipeline/catalog/sources.py", status=404) from error
            declared = tuple((str(c["fieldName"]), str(c["dataTypeName"])) for c in told["columns"])
            names = [name for name, _ in declared]
            resolution = match_fields(data_set, names)
            check_required(data_set, resolution, names)
            updated = told.get("rowsUpdatedAt")
            changed_at = datetime.fromtimestamp(int(updated), UTC).isoformat() if updated else None
            self._known[key] = Metadata(declared, resolution, changed_at)
        return self._known[key]

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """Rows and newest change by month, and the portal's own total."""
        self._known.pop((data_set.feed, data_set.id), None)
        metadata = self.metadata(data_set)
        restricted = {"$where": where} if (where := joined(filters(data_set))) else {}
        if data_set.month_field is None:
            query = {"$select": f"count(*) as row_count, max({data_set.updated_field}) as changed_at"} | restricted
            told = self._rows(data_set, query)
            if not told:
                raise TransientSourceError(f"{label(data_set)}: the portal gave no count")
            total = int(told[0]["row_count"])
            changed_at = told[0].get("changed_at") or metadata.rows_updated_at
            return Survey(total, {WHOLE: Held(total, changed_at)} if total else {})
        column = plain(metadata.resolution[data_set.month_field])
        select = f"date_trunc_ym({column}) as month, count(*) as row_count, max({data_set.updated_field}) as changed_at"
        for _ in range(PULL_ATTEMPTS):
            told = self._rows(data_set, {"$select": select, "$group": "month", "$limit": _MOST_MONTHS} | restricted)
            total = self._count(data_set, restricted.get("$where"))
            if sum(int(row["row_count"]) for row in told) == total:
                break
        else:
            raise TransientSourceError(
                f"{label(data_set)}: the months do not add up to the portal's total of {total:,} rows; is it reloading?"
            )
        rows = [(str(r["month"])[:7] if r.get("month") else None, int(r["row_count"]), r.get("changed_at")) for r in told]
        held = by_partition([(m, n, c or metadata.rows_updated_at) for m, n, c in rows], months)
        return Survey(total, held)

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Read a partition; a count that moves meanwhile makes it read again, at most three times.

        Raises:
            TransientSourceError: rows received and the portal's count did not agree; nothing was kept.
            PermanentSourceError: the portal refuses the query.
        """
        metadata = self.metadata(data_set)
        where = [*filters(data_set), *of_partition(metadata.resolution.get(data_set.month_field or ""), partition, months)]
        with self._store.begin(data_set.feed, data_set.id, partition) as writer:
            paging, before, seen = KEYSET, held.rows, ""
            for attempt in range(PULL_ATTEMPTS):
                before = before if attempt == 0 else self._count(data_set, joined(where))
                try:
                    distinct = self._pages(writer, data_set, metadata, where, paging, before)
                except _RefusedComparisonError:
                    paging = OFFSET
                    distinct = self._pages(writer, data_set, metadata, where, paging, before)
                after = self._count(data_set, joined(where))
                if before == after == writer.rows == distinct:
                    facts = Facts(
                        transport=str(data_set.transport),
                        paging=paging,
                        count_before=before,
                        count_after=after,
                        changed_at=held.changed_at,
                        declared=metadata.declared,
                        resolution=metadata.resolution,
                        implied=data_set.implied,
                        key_field=ROW_ID,
                    )
                    return writer.commit(facts, self._now)
                seen = f"{before:,} before, {after:,} after, {writer.rows:,} rows received, {distinct:,} distinct"
        raise TransientSourceError(
            f"{label(data_set, partition)}: the count does not agree ({seen}) after {PULL_ATTEMPTS} pulls; fails closed"
        )

    def _pages(self, writer: PullWriter, data_set: DataSet, metadata: Metadata, where: list[str], paging: str, count: int) -> int:
        """Read pages until an empty one; returns the number of distinct row ids."""
        writer.clear()
        columns = [ROW_ID, *dict.fromkeys(plain(name) for name in metadata.resolution.values())]
        url = f"{self._base}/resource/{data_set.id}.csv"
        ids: list[pa.ChunkedArray] = []
        while True:
            last = ids[-1][-1].as_py() if ids else None
            keyset = [f":id > {quoted(last)}"] if last is not None and paging == KEYSET else []
            params = {"$select": ",".join(columns), "$order": ROW_ID, "$limit": str(self._page_size)}
            if restriction := joined([*where, *keyset]):
                params["$where"] = restriction
            if paging == OFFSET and writer.rows:
                params["$offset"] = str(writer.rows)
            checked = CheckedPage(columns)
            try:
                reply = self._client.get(url, params, what=label(data_set), accept=CSV, check=checked)
            except PermanentSourceError as error:
                if keyset and error.status == 400:
                    raise _RefusedComparisonError from error
                raise
            writer.requests.append(Request("GET", url, params))
            if not checked.ids:
                return int(pc.count_distinct(pa.chunked_array([c for one in ids for c in one.chunks], pa.string())).as_py())
            ids.append(checked.ids)
            writer.headers = writer.headers or dict(reply.headers)
            writer.add_page(reply.wire, "csv", reply.encoding, reply.content, len(checked.ids))
            if writer.rows > 2 * count + 2 * self._page_size:
                raise TransientSourceError(f"{label(data_set)}: {writer.rows:,} rows received of {count:,}; the portal repeats pages")

    def _rows(self, data_set: DataSet, params: Mapping[str, str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []

        def check(content: bytes) -> None:
            try:
                told = json.loads(content)
            except ValueError as error:
                raise TransientSourceError(f"the answer is not JSON: {error}") from error
            if not isinstance(told, list):
                raise TransientSourceError("the answer is no list of rows")
            rows[:] = told

        self._client.get(f"{self._base}/resource/{data_set.id}.json", params, what=label(data_set), check=check)
        return rows

    def _count(self, data_set: DataSet, where: str | None) -> int:
        params = {"$select": "count(*) as row_count"} | ({"$where": where} if where else {})
        rows = self._rows(data_set, params)
        if not rows:
            raise TransientSourceError(f"{label(data_set)}: the portal gave no count")
        return int(rows[0]["row_count"])


class _RefusedComparisonError(Exception):
    """The portal does not compare :id."""

"""What cleaning returns: clean rows, rejected rows, and the account of every source row."""

from dataclasses import dataclass

import pyarrow as pa


class ReconciliationError(AssertionError):
    """Source rows received are not the sum of good, quarantined and duplicate rows."""


@dataclass(frozen=True)
class CleanResult:
    """Rows of one feed after cleaning.

    Attributes:
        clean: rows in the schema of table `clean/<feed>`.
        quarantine: rows in the schema of table `quarantine/<feed>`.
        reconciliation: rows in the schema of table `quality/reconciliation`, one per data set and raw partition.
    """

    clean: pa.Table
    quarantine: pa.Table
    reconciliation: pa.Table

"""Everything Dagster knows; each asset body reads, calls, writes and reports."""

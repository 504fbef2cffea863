"""Rules of the catalogue as a Great Expectations suite, and what its validation found.

Importing this module imports Great Expectations (about two seconds of CPU): only checks do.  The context lives in memory,
sends nothing anywhere, and serves every validation of a process.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation
from great_expectations.validator.v1_validator import Validator

from kc_pipeline.catalog.rule_model import Between, Complete, InOrder, InSet, Matches, RowLaw, Rule, Severity, TableLaw, TypesHold

# Columns that are added to the rows before they are validated.
LAW_PREFIX = "law: "
LACKING = "required value that lacks"
STORED_TYPE, DECLARED_TYPE = "stored type", "declared type"


def suite_of(name: str, rules: Iterable[Rule]) -> gx.ExpectationSuite:
    """The rules as one suite; each expectation's meta names its rule.  Laws of whole tables are left out."""
    return gx.ExpectationSuite(name=name, expectations=[expectation_of(rule) for rule in rules if not isinstance(rule.test, TableLaw)])


def expectation_of(rule: Rule) -> Expectation:
    """One rule as an expectation; a row law is one about the column that holds its truth."""
    shared: dict[str, Any] = {
        "meta": {"rule": rule.name},
        "mostly": rule.least_share,
        "notes": rule.says,
        "severity": "critical" if rule.severity is Severity.BLOCKS else "warning",
    }
    match rule.test:
        case Complete():
            return gxe.ExpectColumnValuesToBeNull(column=LACKING, **shared)
        case InSet(column, values):
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), **shared)
        case Between(column, minimum, maximum):
            return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=minimum, max_value=maximum, **shared)
        case Matches(column, pattern):
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=f"^{pattern}", **shared)
        case InOrder(first, second):
            return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=second, column_B=first, or_equal=True, ignore_row_if="either_value_is_missing", **shared
            )
        case TypesHold():
            return gxe.ExpectColumnPairValuesToBeEqual(
                column_A=STORED_TYPE, column_B=DECLARED_TYPE, ignore_row_if="both_values_are_missing", **shared
            )
        case RowLaw(law, _):
            return gxe.ExpectColumnValuesToBeInSet(column=LAW_PREFIX + law, value_set=[True], **shared)
    raise TypeError(f"{rule.name}: {rule.test} is not about single rows")


def broken_rows(suite: gx.ExpectationSuite, rows: pd.DataFrame, number: str) -> dict[str, list[int]]:
    """Validate rows against a suite.

    Args:
        suite: what `suite_of` made.
        rows: the rows, with the columns that the suite's expectations name.
        number: column that numbers the rows.

    Returns:
        Rule -> numbers of the rows that break it, in order, for rules that any row breaks.

    Raises:
        ValueError: an expectation could not be evaluated.
    """
    # First only whether each rule holds for every row: anything more, such as the values that break it, is looked for in copies of
    # the rows.  Then only what is broken is asked for row by row: that costs by the number of broken rows.
    strict = gx.ExpectationSuite(name=suite.name, expectations=[e.copy(update={"mostly": 1.0}) for e in suite.expectations])
    broken = [rule for rule, result in _validate(strict, rows, {"result_format": "BOOLEAN_ONLY"}).items() if not result.success]
    if not broken:
        return {}
    again = gx.ExpectationSuite(name=suite.name, expectations=[e for e in suite.expectations if _rule_of(e.meta) in broken])
    told = _validate(again, rows, {"result_format": "COMPLETE", "unexpected_index_column_names": [number]})
    return {rule: sorted(int(row[number]) for row in outcome.result["unexpected_index_list"]) for rule, outcome in told.items()}


def _validate(suite: gx.ExpectationSuite, rows: pd.DataFrame, result_format: dict[str, Any]) -> dict[str, ExpectationValidationResult]:
    """Rule -> result of its expectation; results come back in any order."""
    # As `Batch.validate` does it; but a batch hashes its rows, and is got once more for their validation.
    validator = Validator(_batches(), result_format, {"dataframe": rows})
    outcome = validator.validate_expectation_suite(suite)
    results = {}
    for result in outcome.results:
        rule = _rule_of(result.expectation_config.meta if result.expectation_config else None)
        if result.exception_info and result.exception_info.get("raised_exception"):
            raise ValueError(f"{suite.name}: {rule} could not be evaluated: {result.exception_info.get('exception_message')}")
        results[rule] = result
    missing = {_rule_of(e.meta) for e in suite.expectations} - set(results)
    if missing:
        raise ValueError(f"{suite.name}: no result for {sorted(missing)}")
    return results


@cache
def _batches() -> BatchDefinition[Any]:
    """Where rows are given to a context; it writes its whole configuration anew for each part of it that is set."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("rows").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("rows")


def _rule_of(meta: dict[str, Any] | None) -> str:
    return str((meta or {})["rule"])

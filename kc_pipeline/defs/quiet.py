"""What Dagster need not say."""

import warnings


def ignore_beta_warnings() -> None:
    """Say nothing of features that Dagster calls beta: it warns of each use, blaming now itself, now us; ours are pinned and tested."""
    warnings.filterwarnings("ignore", message=r".* is currently in beta", module=r"(dagster|kc_pipeline)\.")

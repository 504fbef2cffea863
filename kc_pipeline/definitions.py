"""The code location."""

from kc_pipeline.defs.quiet import ignore_beta_warnings

ignore_beta_warnings()

from kc_pipeline.defs.build import build_defs  # noqa: E402 - importing the assets is what warns

defs = build_defs()

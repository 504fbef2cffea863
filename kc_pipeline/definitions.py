"""The code location."""

from kc_pipeline.defs.build import build_defs

defs = build_defs()

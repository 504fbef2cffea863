"""Is it right: contracts checked, rows counted, rejects kept with their reason."""

from kc_pipeline.quality.later import put_off

# Great Expectations imports both, 0.6 s of CPU time, for expectations that none of our rules is.
put_off("altair", "scipy.stats")

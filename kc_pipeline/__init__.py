"""Kansas City's business risk platform: from the city's feeds to a scored, traceable risk table."""

import os
import sys

# Read by NumPy and Arrow when they are imported.  Sums come out alike on any number of processors, and threads that wait for one
# another's sums took a fortieth of a day's CPU time.  Arrow's usual allocator gives memory back soon: after ten years, getting
# it again cleared for the same rows took a tenth.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if sys.platform == "linux":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")

"""Kansas City's business risk platform: from the city's feeds to a scored, traceable risk table."""

import os
import sys

# NumPy and Arrow read these when they are imported.  With one thread, sums come out alike on any number of processors, and no thread
# spins while it waits for another's: that took a fiftieth of a day's CPU time.  Arrow's usual allocator gives memory back soon, and
# getting it again took up to a tenth of a day after ten years.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if sys.platform == "linux":
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")

"""Kansas City's business risk platform: from the city's feeds to a scored, traceable risk table."""

import os

# Sums come out alike on any number of processors; and threads that wait for one another's sums took a fortieth of a day's CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

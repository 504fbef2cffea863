"""What readers of the views are promised: by when a day is there, and how long it stays."""

from datetime import time

PUBLISHED_BY = time(9, 0)  # wall clock in the city, every day
KEEP_DAYS = 90  # days that the warehouse keeps every snapshot; the lake keeps all of them

"""A synthetic Kansas City with known truth, and a local portal that serves it or recorded rows."""

"""Raw rows to clean events and records: typing, time, privacy, many rows to one event."""

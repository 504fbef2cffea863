"""Is it right: contracts checked, rows counted, rejects kept with their reason."""

"""The score of a place and where it comes from."""

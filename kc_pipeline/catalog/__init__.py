"""What there is, as data: columns, feeds, tables and the meaning of codes.  Imports nothing of ours."""

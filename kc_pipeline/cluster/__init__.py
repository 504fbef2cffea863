"""The heavy steps on a Dask cluster, in parts, for data that is more than one machine's: the rows of the single machine."""

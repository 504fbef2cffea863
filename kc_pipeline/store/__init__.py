"""Where tables live: the lake, the warehouse for BI."""

"""The steps behind the assets: read from a store, call a room, write to a store.  No step knows Dagster.

Assets wrap these, one each; the rooms below know nothing of each other and meet here.
"""

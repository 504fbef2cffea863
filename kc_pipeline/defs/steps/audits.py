"""Whether the tables are right: the laws of quality/ on the rows of the lake."""

from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding


def judge_gazetteer(platform: Platform) -> "list[Finding]":
    """Whether the gazetteer obeys its laws."""
    from kc_pipeline.quality.places import check_gazetteer

    return check_gazetteer(read_frame(platform, "core/gazetteer"))


def judge_businesses(platform: Platform) -> "list[Finding]":
    """Whether the businesses obey their laws."""
    from kc_pipeline.quality.places import check_businesses

    columns = ["business_id", "parcel_id", "is_active"]
    parcels = read_frame(platform, "clean/parcels", ["parcel_id", "address"])
    return check_businesses(read_frame(platform, "core/businesses", columns), parcels)


def judge_attribution(platform: Platform) -> "list[Finding]":
    """Whether the attribution ledger obeys its laws."""
    import pandas as pd

    from kc_pipeline.quality.places import check_attribution

    columns = ["event_id", "feed", "address", "address_precision", "latitude"]
    events = pd.concat([read_frame(platform, f"clean/{feed}", columns) for feed in EVENT_FEEDS], ignore_index=True)
    ledger = read_frame(platform, "core/event_attribution", ["event_id", "business_parcel_id", "attribution_method", "precision", "weight"])
    return check_attribution(ledger, events, read_frame(platform, "core/located_addresses", ["address", "address_precision", "latitude"]))

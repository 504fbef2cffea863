"""Whether people live or lodge at a business place: then nothing escalates before a person has looked."""

import pandas as pd

from kc_pipeline.catalog.land_use import DWELLING_BUSINESS_WORDS, DWELLING_CODES


def has_dwelling(business_parcels: pd.DataFrame, parcels: pd.DataFrame) -> pd.Series:
    """True, False, or missing where neither the parcel's land use nor a licence says.

    Args:
        business_parcels: business_parcel_id, parcel_id, business_types.
        parcels: clean/parcels: parcel_id, land_use_code.
    """
    codes = parcels.dropna(subset=["parcel_id", "land_use_code"])
    lived_in = codes.assign(dwelling=codes["land_use_code"].isin(DWELLING_CODES)).groupby("parcel_id")["dwelling"].max()
    by_parcel = business_parcels["parcel_id"].map(lived_in).astype("boolean")
    words = "|".join(DWELLING_BUSINESS_WORDS)
    by_licence = business_parcels["business_types"].fillna("").str.upper().str.contains(words, regex=True)
    return by_parcel.mask(by_licence.to_numpy(bool), other=True)

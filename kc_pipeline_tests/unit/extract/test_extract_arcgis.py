"""ArcGIS layers: pages while there is more, errors with HTTP 200, rings."""

import pytest
import shapely
from scripted_portal import LAYER, PARCELS, QUERY, FakeLayer, ScriptedPortal, answer_json, now

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.arcgis import ArcgisTransport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import Held, Months

MONTHS = Months("2000-01", "2026-07")


@pytest.fixture
def layer(portal: ScriptedPortal) -> FakeLayer:
    return FakeLayer(portal, 8)


@pytest.fixture
def arcgis(portal: ScriptedPortal, client: PortalClient, store: RawStore) -> ArcgisTransport:
    return ArcgisTransport(portal.url, client, store, now)


def test_the_servers_word_on_a_layer_is_its_last_edit_and_its_count(layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    assert arcgis.state(PARCELS) == "2026-05-28T20:26:40+00:00 8"


def test_survey(layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    survey = arcgis.survey(PARCELS, MONTHS)
    assert survey is not None
    assert (survey.total, survey.partitions) == (8, {"whole": Held(8, "2026-05-28T20:26:40+00:00")})


def test_pages_by_object_id_with_geometry(portal: ScriptedPortal, layer: FakeLayer, arcgis: ArcgisTransport, store: RawStore) -> None:
    manifest = arcgis.pull(PARCELS, "whole", MONTHS, Held(8, None)).manifest
    assert [page.rows for page in manifest.pages] == [3, 3, 2]
    asked = [params for params in portal.asked(QUERY) if "outFields" in params]
    assert [params["where"] for params in asked] == ["1=1", "OBJECTID > 21", "OBJECTID > 51"]
    assert {params["outFields"] for params in asked} == {"OBJECTID,KIVAPIN,LANDUSECODE"}
    assert {(params["outSR"], params["orderByFields"], params["resultRecordCount"]) for params in asked} == {("4326", "OBJECTID", "3")}
    table = read_pull(store, manifest)
    assert table["row_id"].to_pylist()[:2] == ["1", "11"]
    assert table["land_use_code"].to_pylist()[:2] == ["7100", "7101"]
    assert [shape and shapely.from_wkb(shape).area for shape in table["geometry"].to_pylist()] == [None, *[0.5] * 7]


@pytest.mark.fault(12)
def test_an_empty_page_with_more_behind_it_is_not_the_end(layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    layer.empty_first = 2
    assert arcgis.pull(PARCELS, "whole", MONTHS, Held(8, None)).manifest.row_count == 8


@pytest.mark.fault(12)
def test_empty_pages_without_end_fail(layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    layer.empty_first = 1000
    with pytest.raises(TransientSourceError, match="5 empty pages in a row"):
        arcgis.pull(PARCELS, "whole", MONTHS, Held(8, None))


@pytest.mark.fault(10)
def test_an_end_that_comes_too_early_fails_closed(
    portal: ScriptedPortal, layer: FakeLayer, arcgis: ArcgisTransport, store: RawStore
) -> None:
    full = layer.query
    portal.handlers[QUERY] = lambda params: answer_json({"features": []}) if "OBJECTID > 51" in params["where"] else full(params)
    with pytest.raises(TransientSourceError, match=r"parcels AGOL/MapServer/6: the count does not agree .*6 rows received.* fails closed"):
        arcgis.pull(PARCELS, "whole", MONTHS, Held(8, None))
    assert not list(store.root.rglob("*"))


@pytest.mark.parametrize(
    ("code", "kind", "waited"),
    [(400, PermanentSourceError, 0), (498, PermanentSourceError, 0), (500, TransientSourceError, 3), (504, TransientSourceError, 3)],
)
@pytest.mark.fault(8)
def test_an_error_with_http_200_is_typed_by_its_code(
    portal: ScriptedPortal, layer: FakeLayer, arcgis: ArcgisTransport, waits: list[float], code: int, kind: type[Exception], waited: int
) -> None:
    portal.on(QUERY, *[answer_json({"error": {"code": code, "message": "Cannot perform query", "details": ["bad field"]}})] * 4)
    with pytest.raises(kind, match=rf"parcels AGOL/MapServer/6: .*error {code}: Cannot perform query \(bad field\)"):
        arcgis.pull(PARCELS, "whole", MONTHS, Held(8, None))
    assert len(waits) == waited


def test_whether_a_server_has_a_layer(portal: ScriptedPortal, layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    assert arcgis.has(PARCELS)
    assert not arcgis.has(DataSet("streets", "AGOL/MapServer/27", Transport.ARCGIS, {}))


def test_a_field_can_say_when_a_row_changed(portal: ScriptedPortal, layer: FakeLayer, arcgis: ArcgisTransport) -> None:
    portal.on(
        LAYER,
        answer_json(
            {"fields": [{"name": n, "type": "x"} for n in ("OBJECTID", "KIVAPIN", "LAST_EDITED_DATE")], "objectIdField": "OBJECTID"}
        ),
    )
    portal.on(QUERY, answer_json({"features": [{"attributes": {"LAST_EDITED_DATE": 1_780_000_000_000}}]}))
    data_set = DataSet("parcels", PARCELS.id, Transport.ARCGIS, {"parcel_id": ("KIVAPIN",)}, updated_field="LAST_EDITED_DATE")
    survey = arcgis.survey(data_set, MONTHS)
    assert survey is not None
    assert survey.partitions["whole"].changed_at == "2026-05-28T20:26:40+00:00"
    assert portal.asked(QUERY)[0]["orderByFields"] == "LAST_EDITED_DATE DESC"

"""Published contours in the shapes they come in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitloom import contour
from fitloom.dashboard.overlay import Overlay, parse
from fitloom_core.errors import InputError
from written_campaigns import fitted, grid


def names_and_lengths(overlay: Overlay) -> list[tuple[str, int]]:
    return [(name, len(line)) for name, line in overlay.lines]


def test_a_hepdata_table_in_json_is_read() -> None:
    table = {
        "name": "Obs. exclusion",
        "headers": [{"name": "M(SBOTTOM) [GEV]"}, {"name": "M(N2) [GEV]"}],
        "values": [
            {"x": [{"value": "400.0"}], "y": [{"group": 0, "value": 250.5, "errors": []}]},
            {"x": [{"low": 1, "high": 2}], "y": [{"value": "-"}]},
            {"x": [{"value": 500}], "y": [{"value": "300"}]},
        ],
    }
    overlay = parse(json.dumps(table).encode(), "table.json")
    assert overlay.lines == (("M(N2) [GEV]", [[400.0, 250.5], [500.0, 300.0]]),)


def test_each_dependent_column_of_a_hepdata_table_is_a_line() -> None:
    rows = [{"x": [{"value": x}], "y": [{"value": x / 2}, {"value": x / 3}]} for x in (1, 2, 3)]
    table = {"headers": [{"name": "x"}, {"name": "up"}, {"name": "down"}], "values": rows}
    assert names_and_lengths(parse(json.dumps(table).encode(), "t")) == [("up", 3), ("down", 3)]


def test_two_independent_columns_are_the_vertices() -> None:
    rows = [{"x": [{"value": x}, {"value": x * x}], "y": []} for x in (1, 2, 3)]
    assert parse(json.dumps({"values": rows}).encode(), "t").lines == (("", [[1.0, 1.0], [2.0, 4.0], [3.0, 9.0]]),)


def test_a_hepdata_table_in_csv_is_read_with_its_name() -> None:
    text = (
        "#: table_doi: 10.17182/hepdata.89408.v3/t9\n#: name: Observed limit\n#: keyword cmenergies: 13000\n"
        "M(SBOTTOM) [GEV],M(N2) [GEV]\n400,250\n500,300\n\n"
        "M(SBOTTOM) [GEV],M(N2) [GEV] +1\n410,260\n510,310\n520,320\n"
    )
    assert names_and_lengths(parse(text.encode(), "t.csv")) == [("Observed limit", 2), ("", 3)]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_plain_columns_are_read_whatever_separates_them(separator: str) -> None:
    text = "\n".join(f"{x}{separator}{2 * x}" for x in range(5))
    assert names_and_lengths(parse(text.encode("utf-8-sig"), "t.csv")) == [("", 5)]


def test_a_contour_of_ours_is_read_with_its_regions() -> None:
    document = contour.compute([fitted(point) for point in grid()], labels=["m_gluino", "m_neutralino1"])
    overlay = parse(json.dumps(document).encode(), "contour.json")
    assert [name for name, _ in overlay.lines] == ["observed", "expected"]
    assert overlay.lines[0][1] == document["regions"][0]["lines"]["observed"][0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no line"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "no text"),
        (b"a,b\nc,d\n", "no line"),
        (b"{}", "no line"),
        (b'{"values": [{"x": 3, "y": null}, 7]}', "no line"),
        (b'{"regions": [3, {"lines": 4}, {"lines": {"observed": 5}}]}', "no line"),
        ("\n".join(f"{i},{i}" for i in range(60_000)).encode(), "vertices"),
    ],
)
def test_what_is_no_contour_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse(content, "file")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["values", "x", "y", "value", "regions", "lines", "observed"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_document_ends_in_anything_but_lines_or_a_refusal(document: object) -> None:
    try:
        overlay = parse(json.dumps(document).encode(), "fuzz")
    except InputError:
        return
    assert all(len(vertex) == 2 for _, line in overlay.lines for vertex in line)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_lines_or_a_refusal(content: bytes) -> None:
    try:
        parse(content, "fuzz")
    except InputError:
        return

"""The server as programs and attackers meet it: what it answers, what it refuses, what it never opens."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from fitloom.dashboard.gate import TOKEN_HEADER, KeyGate
from fitloom.dashboard.serve import Served, Settings, parse_address, serving
from fitloom.dashboard.shield import Limits
from fitloom_core.errors import CampaignError, InputError
from written_campaigns import driving, failed, finished, fitted, grid

POINTS = grid(8, 6)
pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished campaign."""
    return finished(tmp_path_factory.mktemp("http") / "run", POINTS, [failed(POINTS[0]), *map(fitted, POINTS[1:])])


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    """Its page."""
    with serving([folder], Settings(port=0)) as page:
        yield page


def get(served: Served, path: str, **options: Any) -> requests.Response:
    return requests.get(served.plain_url + path, timeout=10, **options)


def key_of(served: Served) -> dict[str, str]:
    return {TOKEN_HEADER: served.url.partition("#key=")[2]}


def ask(served: Served, document: object, **headers: str) -> requests.Response:
    address = served.plain_url + "api/campaigns/0/requests"
    return requests.post(address, json=document, headers={**key_of(served), **headers}, timeout=10)


# What it answers.


def test_every_answer_carries_the_policy_and_asks_not_to_be_sniffed(served: Served) -> None:
    for path in ("", "static/app.js", "api/campaigns", "nowhere", "api/campaigns/9/snapshot"):
        headers = get(served, path).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_weighs_less_than_150_kb_and_loads_nothing_from_elsewhere(served: Served) -> None:
    from fitloom.dashboard.assets import assets

    weight = sum(len(asset.packed or asset.content) for asset in assets().values())
    assert weight < 150_000
    for name, asset in assets().items():
        if name.endswith((".js", ".css", ".html")):
            text = asset.content.decode().replace("http://www.w3.org/", "")
            assert "http://" not in text
            assert "https://" not in text


def test_files_are_packed_and_known_by_their_content(served: Served) -> None:
    first = get(served, "static/app.js")
    assert first.headers["Content-Encoding"] == "gzip"
    again = get(served, "static/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_the_snapshot_holds_every_point(served: Served) -> None:
    snapshot = get(served, "api/campaigns/0/snapshot").json()
    assert len(snapshot["plan"]) == len(snapshot["rows"]) == len(POINTS)
    plain = get(served, "api/campaigns/0/snapshot", headers={"Accept-Encoding": "identity"}).json()
    assert plain["at"] == snapshot["at"]


def test_the_contour_is_that_of_the_contour_code(served: Served, folder: Path) -> None:
    from fitloom import contour, journal

    answer = get(served, "api/campaigns/0/contour.json").json()
    assert answer == contour.compute(journal.read_results(folder), labels=["m_gluino", "m_neutralino1"])


def test_cells_that_a_spreadsheet_would_run_are_defused(tmp_path: Path) -> None:
    point = type(POINTS[0])("i", "=HYPERLINK(1)", POINTS[0].values)
    with serving([finished(tmp_path / "run", [point])], Settings(port=0)) as page:
        assert ",'=HYPERLINK(1)," in get(page, "api/campaigns/0/results.csv").text


def events(served: Served, stop: str, **headers: str) -> list[dict[str, str]]:
    """Server-sent events up to the first of a kind."""
    found: list[dict[str, str]] = []
    event: dict[str, str] = {}
    with get(served, "api/campaigns/0/events", headers=headers, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        for line in answer.iter_lines(decode_unicode=True):
            if line:
                name, _, value = line.partition(":")
                event[name] = value.strip()
            elif event:
                found.append(event)
                if event.get("event") == stop:
                    return found
                event = {}
    return found


def test_the_stream_begins_where_the_last_event_id_says(served: Served, folder: Path) -> None:
    first = next(e for e in events(served, "frame") if e.get("event") == "frame")
    assert json.loads(first["data"])["results"] == len(POINTS)
    resumed = events(served, "run", **{"Last-Event-ID": first["id"]})
    assert [e["event"] for e in resumed if "event" in e] == ["run"]


def test_a_position_of_no_use_is_answered_with_reset(served: Served) -> None:
    assert events(served, "reset", **{"Last-Event-ID": "deadbeef.5.5"})[-1]["event"] == "reset"


# What it refuses.


@pytest.mark.parametrize(
    "path",
    [
        "static/../app.py",
        "static/..%2f..%2fapp.py",
        "static/%2e%2e/app.py",
        "static//etc/passwd",
        "static/vendor/../../../app.py",
        "api/campaigns/0/..%2f..%2fcampaign.json",
        "api/campaigns/-1/snapshot",
        "api/campaigns/1/snapshot",
        "api/campaigns/0/figure.exe",
    ],
)
def test_nothing_is_opened_by_a_name_from_a_request(served: Served, path: str) -> None:
    host = urlsplit(served.url).netloc
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/" + path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in (404, 422)
    assert b"import" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""])
def test_an_unknown_host_name_is_refused(served: Served, name: str) -> None:
    answer = get(served, "api/campaigns", headers={"Host": name})
    assert answer.status_code in (400, 421)


@pytest.mark.parametrize("name", ["localhost:1", "127.0.0.1", "[::1]:80", "page.localhost", "10.1.2.3:80"])
def test_names_that_cannot_be_rebound_are_answered(served: Served, name: str) -> None:
    assert get(served, "api/campaigns", headers={"Host": name}).status_code == 200


def test_further_names_are_answered_when_given(folder: Path) -> None:
    with serving([folder], Settings(port=0, hosts=["fits.example.org"])) as page:
        assert get(page, "", headers={"Host": "fits.example.org"}).status_code == 200


def test_who_lacks_the_key_changes_nothing(folder: Path, served: Served) -> None:
    for headers in ({}, {TOKEN_HEADER: "guess"}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: "é"}):
        answer = requests.post(
            served.plain_url + "api/campaigns/0/requests",
            json={"action": "stop"},
            headers={name: value.encode("latin-1") for name, value in headers.items()},
            timeout=10,
        )
        assert answer.status_code == 403
    assert not (folder / "requests").exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_request_from_another_page_changes_nothing(served: Served, headers: dict[str, str]) -> None:
    assert ask(served, {"action": "stop"}, **headers).status_code == 403


def test_without_a_driver_a_request_is_refused_with_409(served: Served) -> None:
    answer = ask(served, {"action": "stop"})
    assert answer.status_code == 409
    assert "no driver is attached" in answer.json()["detail"]


def test_with_key_and_driver_a_request_reaches_the_driver(tmp_path: Path) -> None:
    with driving(tmp_path / "run", POINTS) as driver, serving([tmp_path / "run"], Settings(port=0)) as page:
        origin = page.plain_url.rstrip("/")
        assert ask(page, {"action": "retry", "points": [POINTS[0].id]}, Origin=origin).status_code == 202
        assert ask(page, {"action": "retry", "points": ["no such point"]}).status_code == 400
        for wrong in (
            {"action": "rm"},
            {"action": "stop", "folder": "/"},
            {"action": "stop", "points": [1]},
            [],
            "stop",
        ):
            assert ask(page, wrong).status_code == 422
        assert driver.journal.requests() == [{"action": "retry", "points": [POINTS[0].id], "by": "key"}]


def test_requests_that_nobody_takes_do_not_pile_up(tmp_path: Path) -> None:
    from fitloom.dashboard.requests import MAX_WAITING, Wish, drop

    with driving(tmp_path / "run", POINTS), serving([tmp_path / "run"], Settings(port=0)) as page:
        for _ in range(MAX_WAITING):
            drop(tmp_path / "run", Wish(action="stop"), "test")
        assert ask(page, {"action": "stop"}).status_code == 429


def test_changes_are_limited_in_rate(served: Served) -> None:
    answers = [ask(served, {"action": "stop"}) for _ in range(15)]
    assert answers[-1].status_code == 429
    assert "Retry-After" in answers[-1].headers
    assert get(served, "api/campaigns").status_code == 200


def test_a_body_that_is_too_large_is_refused_also_without_its_length(served: Served) -> None:
    large = b"1,2\n" * 600_000
    address = served.plain_url + "api/overlay"
    assert requests.post(address, data=large, timeout=10).status_code == 413
    chunks = (large[i : i + 65536] for i in range(0, len(large), 65536))
    with contextlib.suppress(requests.ConnectionError):  # refused while it was still being sent
        assert requests.post(address, data=chunks, timeout=10).status_code == 413
    assert get(served, "api/campaigns").status_code == 200


def test_conditions_that_make_no_plane_are_refused(served: Served) -> None:
    for query in ("x=m_gluino", "x=a&y=b", "where={", "where=[1]", 'where={"m_gluino": null}', 'where={"m_gluino": 1}'):
        answer = get(served, "api/campaigns/0/contour.json?" + query)
        assert answer.status_code == 400
        assert answer.json()["detail"]
        assert get(served, "api/campaigns/0/events?" + query).status_code == 400


def test_too_many_streams_are_refused(folder: Path) -> None:
    with serving([folder], Settings(port=0, limits=Limits(streams=2))) as page:
        streams = [get(page, "api/campaigns/0/events", stream=True) for _ in range(2)]
        lines = [stream.iter_lines() for stream in streams]
        assert [next(line) for line in lines] == [b": hello"] * 2
        assert get(page, "api/campaigns/0/events").status_code == 503
        for stream in streams:
            stream.close()


def test_reads_are_limited_in_rate(folder: Path) -> None:
    with serving([folder], Settings(port=0, limits=Limits(per_second=1, burst=5))) as page:
        assert [get(page, "api/session").status_code for _ in range(7)].count(429) >= 1


# Where it is served.


def test_beyond_loopback_a_gate_or_a_plain_word_is_needed(folder: Path) -> None:
    with pytest.raises(InputError, match="--insecure"), serving([folder], Settings(host="0.0.0.0", port=0)):
        pass
    with serving([folder], Settings(host="0.0.0.0", port=0, insecure=True)) as page:
        assert urlsplit(page.url).hostname == socket.gethostname().lower()


def test_a_port_that_is_taken_is_passed_over_or_named(folder: Path) -> None:
    with serving([folder]) as first, serving([folder]) as second:
        assert urlsplit(first.url).port != urlsplit(second.url).port
        taken = urlsplit(first.url).port
        with pytest.raises(InputError, match=f"127.0.0.1:{taken}"), serving([folder], Settings(port=taken)):
            pass


def test_without_a_campaign_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="at least one"), serving([]):
        pass
    with pytest.raises(CampaignError, match=r"campaign\.json"), serving([tmp_path]):
        pass


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("127.0.0.1", None)),
        (":8000", ("127.0.0.1", 8000)),
        ("::1", None),
        ("[::1]:80", ("::1", 80)),
        ("h:x", None),
    ],
)
def test_addresses_are_read(text: str, address: tuple[str, int | None] | None) -> None:
    if address is None and text == "h:x":
        with pytest.raises(InputError, match="HOST:PORT"):
            parse_address(text)
    elif address is not None:
        assert parse_address(text) == address


def test_the_server_ends_at_once_though_streams_are_open(folder: Path) -> None:
    with serving([folder], Settings(port=0)) as page:
        stream = get(page, "api/campaigns/0/events", stream=True)
        next(stream.iter_lines())
        begin = time.monotonic()
    assert time.monotonic() - begin < 3
    stream.close()


def test_a_stream_tells_what_came_last_before_it_ends(tmp_path: Path) -> None:
    with driving(tmp_path / "run", POINTS) as driver, serving([tmp_path / "run"], Settings(port=0)) as page:
        driver.plan()
        at = get(page, "api/campaigns/0/snapshot").json()["at"]
        stream = get(page, "api/campaigns/0/events", params={"since": at}, stream=True)
        lines = stream.iter_lines()
        while b"event: contour" not in next(lines):
            pass
        driver.record(*map(fitted, POINTS))
    told = [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]
    assert sum(event["results"] for event in told if "from" in event) == len(POINTS)
    assert [event["results_seen"] for event in told if "results_seen" in event][-1] == len(POINTS)
    assert [event["regions"] for event in told if "regions" in event][-1][0]["lines"]["observed"]


def test_keys_differ_and_are_long() -> None:
    assert KeyGate().key != KeyGate().key
    assert len(KeyGate().key) >= 32

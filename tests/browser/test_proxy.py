"""Behind a reverse proxy at a sub-path, whether the proxy strips the path or not, and through a tunnel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from written_campaigns import driving, failed, finished, fitted, grid

from .proxy import cuttable
from .waiting import CAMPAIGN, until

PATH = "/groups/susy/fits"


@contextmanager
def reverse_proxy(target: int, *, strip: bool) -> Iterator[int]:
    """A plain reverse proxy that publishes a local port under `PATH`; its own port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def forward(self) -> None:
            if not self.path.startswith(PATH + "/"):
                self.send_error(404)
                return
            connection = HTTPConnection("127.0.0.1", target, timeout=30)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix(PATH) if strip else self.path
            connection.request(self.command, path, body, {**self.headers, "Host": self.headers["Host"]})
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            try:
                while chunk := answer.read1(65536):
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except OSError:
                pass
            finally:
                connection.close()

        do_GET = do_POST = forward

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("strip", [True, False])
def test_behind_a_proxy_everything_works_at_a_sub_path(tmp_path: Path, serve: Any, visit: Any, strip: bool) -> None:
    points = grid(8, 6)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        driver.record(failed(points[0]), *map(fitted, points[1:20]))
        served = serve(tmp_path / "run", root_path=PATH)
        key = served.url.partition("#")[2]
        with reverse_proxy(urlsplit(served.url).port or 0, strip=strip) as port:
            page = visit(f"http://127.0.0.1:{port}{PATH}/#{key}")
            driver.record(*map(fitted, points[20:30]))
            until(page, f"{CAMPAIGN}.tally.results === 30")
            page.locator("[data-action=retry]").click()
            page.get_by_text("Asked the driver").wait_for()
            page.get_by_text("Download", exact=True).click()
            with page.expect_download() as download:
                page.get_by_role("link", name="Results, CSV").click()
            assert Path(download.value.path()).stat().st_size > 1000
        assert [wish["action"] for wish in driver.journal.requests()] == ["retry"]


def test_through_a_tunnel_to_another_port_the_page_acts_too(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(8, 6)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        served = serve(tmp_path / "run")
        with cuttable(urlsplit(served.url).port or 0) as tunnel:
            page = visit(f"http://localhost:{tunnel.port}/#{served.url.partition('#')[2]}")
            page.locator("[data-action=stop]").click()
            page.get_by_text("Asked the driver").wait_for()


def test_the_address_without_its_last_slash_leads_to_the_page(tmp_path: Path, serve: Any, visit: Any) -> None:
    served = serve(finished(tmp_path / "run", grid(6, 5)), root_path=PATH)
    page = visit(served.plain_url.rstrip("/"))
    assert page.url.partition("#")[0].endswith(PATH + "/")

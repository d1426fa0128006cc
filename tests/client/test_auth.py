"""Logging in: the command line and the real globus-sdk against a stand-in of Globus Auth and Groups."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from fitloom import auth
from fitloom.auth import Client, Server
from fitloom_core.errors import AuthError, InputError
from globus_auth import FITTERS, NATIVE, READERS, SCOPE, SERVER, SERVICE, SERVICE_SECRET, GlobusAuth, Someone

pytestmark = pytest.mark.network


@pytest.fixture
def globus() -> Iterator[GlobusAuth]:
    with GlobusAuth() as stand_in:
        stand_in.people["ada"] = Someone(
            "ada@example.org", {READERS: ("member", "active"), FITTERS: ("admin", "active"), "x": ("member", "pending")}
        )
        yield stand_in


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, where tokens are kept, and no screen."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "FITLOOM_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FITLOOM_CLIENT_ID", NATIVE)
    return tmp_path


Fitloom = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def fitloom(home: Path) -> Fitloom:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fitloom", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def log_in(globus: GlobusAuth, *arguments: str, who: str = "ada") -> str:
    """`fitloom login --no-browser` with somebody who follows its address and types the code in."""
    command = [sys.executable, "-m", "fitloom", "login", "--no-browser", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("http"):
                back = globus.visit(line.strip(), who)
                process.stdin.write(parse_qs(urlsplit(back).query)["code"][0] + "\n")
                break
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return shown


def test_login_shows_who_and_the_groups_that_matter(globus: GlobusAuth, home: Path) -> None:
    shown = log_in(globus)
    assert "ada@example.org" in shown
    assert re.search(rf"Readers of the grid +member +{READERS}", shown)
    assert re.search(rf"Fitters +admin +{FITTERS}", shown)
    assert " x" not in shown


def test_login_goes_by_pkce_and_asks_for_refresh(globus: GlobusAuth, home: Path) -> None:
    asked: list[dict[str, str]] = []
    authorize = globus.authorize
    globus.authorize = lambda query, who: (asked.append(query), authorize(query, who))[1]  # type: ignore[method-assign]
    log_in(globus)
    assert asked[0]["code_challenge_method"] == "S256"
    assert asked[0]["access_type"] == "offline"


def test_tokens_are_kept_where_only_their_owner_reads(globus: GlobusAuth, home: Path) -> None:
    log_in(globus)
    (path,) = (path for path in home.rglob("tokens.json"))
    assert path.stat().st_mode & 0o077 == 0


def test_whoami_asks_nothing_once_logged_in(globus: GlobusAuth, home: Path, fitloom: Fitloom) -> None:
    log_in(globus)
    shown = json.loads(fitloom("whoami", "--json").stdout)
    assert shown["username"] == "ada@example.org"
    assert [(group["name"], group["role"]) for group in shown["groups"]] == [
        ("Fitters", "admin"),
        ("Readers of the grid", "member"),
    ]


def test_a_browser_on_this_machine_needs_no_code(
    globus: GlobusAuth, home: Path, fitloom: Fitloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    globus.logged_in = "ada"
    browser = home / "browser"
    browser.write_text('#!/bin/sh\ncurl -sL -o /dev/null "$1" &\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    done = fitloom("login")
    assert done.returncode == 0, done.stderr
    assert "ada@example.org" in done.stdout


def test_logout_ends_the_tokens_at_globus_too(globus: GlobusAuth, home: Path, fitloom: Fitloom) -> None:
    log_in(globus)
    assert any(token.active for token in globus.tokens.values())
    assert fitloom("logout").stdout == "logged out\n"
    assert not any(token.active for token in globus.tokens.values())
    assert not globus.refresh
    refused = fitloom("whoami")
    assert refused.returncode == 2
    assert "you are not logged in; run `fitloom login`" in refused.stderr


def test_without_a_login_whoami_says_what_to_do(globus: GlobusAuth, home: Path, fitloom: Fitloom) -> None:
    done = fitloom("whoami")
    assert (done.returncode, done.stdout) == (2, "")
    assert "you are not logged in; run `fitloom login`" in done.stderr


def test_an_expired_token_is_refreshed_unnoticed(globus: GlobusAuth, home: Path, fitloom: Fitloom) -> None:
    globus.token_seconds = 30  # the SDK renews a token in its last minute
    log_in(globus)
    before = globus.seen["/v2/oauth2/token"]
    globus.token_seconds = 3600
    assert fitloom("whoami").returncode == 0
    assert globus.seen["/v2/oauth2/token"] > before


def test_a_login_that_was_revoked_says_so(globus: GlobusAuth, home: Path, fitloom: Fitloom) -> None:
    globus.token_seconds = 30
    log_in(globus)
    globus.refresh.clear()
    done = fitloom("whoami")
    assert done.returncode == 2
    assert "your login has expired or was revoked; run `fitloom login --force`" in done.stderr
    assert "Traceback" not in done.stderr


def test_when_globus_is_away_the_message_says_so(
    globus: GlobusAuth, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(globus)
    monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", "http://127.0.0.1:9/")
    with pytest.raises(AuthError, match="Globus cannot be reached"):
        auth.whoami()


def test_a_login_cut_short_is_no_traceback(globus: GlobusAuth, home: Path) -> None:
    command = [sys.executable, "-m", "fitloom", "login", "--no-browser"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the login was not completed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_code_is_no_traceback(globus: GlobusAuth, home: Path) -> None:
    command = [sys.executable, "-m", "fitloom", "login", "--no-browser"]
    done = subprocess.run(command, input="nonsense\n", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "fitloom login" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_logs_in_with_its_secret(globus: GlobusAuth, home: Path) -> None:
    identity = auth.whoami(Client(SERVICE, SERVICE_SECRET))
    assert identity.id == SERVICE


def test_a_wrong_secret_is_named(globus: GlobusAuth, home: Path) -> None:
    with pytest.raises(AuthError, match="does not know this client; check FITLOOM_CLIENT_ID"):
        auth.whoami(Client(SERVICE, "wrong"))


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "hush" not in repr(Client(SERVICE, "hush"))


@pytest.mark.parametrize(("given", "message"), [("", "is not set: .*app.globus.org"), ("me", "'me', which is no UUID")])
def test_a_client_id_is_needed(given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Client.from_environment({"FITLOOM_CLIENT_ID": given})


class _Server(BaseHTTPRequestHandler):
    """A dashboard that wants a login."""

    challenge = f'Bearer scope="{SCOPE}"'

    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/fits/api/session" else 404)
        self.send_header("WWW-Authenticate", self.challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/fits/"
        server.shutdown()
        thread.join()


def test_a_server_says_itself_what_it_wants(dashboard: str) -> None:
    assert auth.find_server(dashboard) == Server(SERVER, SCOPE)
    assert auth.find_server(SERVER) == Server(SERVER, SCOPE)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("dashboard", "neither a server's address"),
        ("http://127.0.0.1:9", "cannot be reached"),
        ("{url}../other", "asks for no Globus login"),
    ],
)
def test_what_is_no_server_is_named(dashboard: str, address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        auth.find_server(address.format(url=dashboard))


def test_logging_in_for_a_server_gives_the_token_it_wants(globus: GlobusAuth, home: Path, dashboard: str) -> None:
    log_in(globus, "--for", dashboard)
    header = auth.authorization(Server(SERVER, SCOPE))
    issued = globus.tokens[header.removeprefix("Bearer ")]
    assert (issued.scope, issued.who) == (SCOPE, "ada")
    assert SERVER in issued.audience


def test_a_server_one_has_not_logged_in_for_is_an_instruction(globus: GlobusAuth, home: Path) -> None:
    log_in(globus)
    with pytest.raises(AuthError, match="fitloom login --for"):
        auth.authorization(Server(SERVER, SCOPE))
    assert os.environ["FITLOOM_CLIENT_ID"] == NATIVE

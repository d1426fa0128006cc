"""What an endpoint may be started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitloom_core.errors import InputError
from fitloom_endpoint.settings import Settings

TOKEN = "a-token-nobody-guesses"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.5.0.1"])
def test_on_loopback_no_token_is_wanted(host):
    assert Settings(host=host).check().on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "node17", "localhost.example.org"])
def test_beyond_loopback_a_token_is_wanted(host):
    with pytest.raises(InputError, match="FITLOOM_TOKEN"):
        Settings(host=host).check()
    Settings(host=host, token=TOKEN).check()
    Settings(host=host, insecure=True).check()


def test_a_token_that_can_be_guessed_is_refused():
    with pytest.raises(InputError, match="at least 16"):
        Settings(token="secret").check()


def test_half_of_a_certificate_is_refused():
    with pytest.raises(InputError, match="both"):
        Settings(tls_certificate=Path("cert.pem")).check()


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"time_limit": -1.0}, {"body_limit": 0}, {"worker_memory": 0}, {"device": "tpu"}]
)
def test_values_that_make_no_sense_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=name if name != "device" else "tpu"):
        Settings(**wrong).check()

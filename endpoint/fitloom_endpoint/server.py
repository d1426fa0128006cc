"""Running the endpoint: uvicorn with a graceful end, where readiness goes first and running tasks are finished."""

from __future__ import annotations

import logging
import time
from types import FrameType

import uvicorn

from fitloom_endpoint.http import create_app
from fitloom_endpoint.service import FitService
from fitloom_endpoint.settings import Settings

log = logging.getLogger("fitloom.endpoint")


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C; a second one stops at once).

    Raises:
        InputError: settings that are not safe to serve with.
    """
    _serve(settings.check())


class DrainingServer(uvicorn.Server):
    """A server that on SIGTERM turns not ready, refuses new tasks, finishes those it has, and then ends."""

    def __init__(self, config: uvicorn.Config, service: FitService, patience: float) -> None:
        """Give running tasks so many seconds of patience."""
        super().__init__(config)
        self._service = service
        self._patience = patience
        self._deadline = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; the second time, or with nothing to drain, end at once."""
        if self._service.draining:
            super().handle_exit(sig, frame)
            return
        self._service.draining = True
        self._deadline = time.monotonic() + self._patience
        log.info("draining: %d tasks are finished first (again to stop now)", self._service.in_flight)

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second whether to end."""
        if self._service.draining and (not self._service.in_flight or time.monotonic() > self._deadline):
            self.should_exit = True
        return await super().on_tick(counter)


def _serve(settings: Settings) -> None:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,  # longer than clients keep idle connections, so that none is closed as it is used again
        h11_max_incomplete_event_size=64 * 1024,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_config=None,
    )
    DrainingServer(config, app.state.service, settings.drain_seconds).run()

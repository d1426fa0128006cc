"""The whole stack, brought up and taken down in the order that leaves nothing hanging."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from globus_harness.broker import Broker, url_on
from globus_harness.endpoint import Endpoint
from globus_harness.proxy import Proxy
from globus_harness.relay import Relay
from globus_harness.service import PORT, Service


class Stack:
    """A broker, the stand-in service and endpoints; the results of the SDK pass through a wire that can be cut."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.broker = broker = Broker(folder / "broker")
        self.root = folder / "compute"
        self.root.mkdir(mode=0o700)
        self.proxy = Proxy(broker.port)
        self.relay = Relay(broker.url)
        self.service = Service(self.relay, broker.url, url_on(self.proxy.port))
        self.endpoints: list[Endpoint] = []
        self._environment = dict(environment or {})

    @property
    def environment(self) -> dict[str, str]:
        """What points the unmodified SDK and daemon at this stack."""
        url = f"http://localhost:{PORT}/"
        return {
            "GLOBUS_SDK_ENVIRONMENT": "local",
            "GLOBUS_SDK_SERVICE_URL_AUTH": url,
            "GLOBUS_SDK_SERVICE_URL_GROUPS": url,
            "GLOBUS_SDK_SERVICE_URL_COMPUTE": url,
            "GLOBUS_COMPUTE_CLIENT_ID": "00000000-0000-4000-8000-000000000000",
            "GLOBUS_COMPUTE_CLIENT_SECRET": "any",
            "GLOBUS_COMPUTE_USER_DIR": str(self.root),
            **self._environment,
        }

    def start(self) -> None:
        """Broker, wire, relay, service; endpoints are added one by one."""
        self.broker.start()
        self.proxy.start()
        self.relay.start()
        self.service.start()

    def add_endpoint(self, name: str, config: Mapping[str, object] | None = None) -> Endpoint:
        """A running endpoint with the template of these tests."""
        endpoint = Endpoint(self.root, name, self.environment)
        endpoint.write(config)
        return self.run_endpoint(endpoint)

    def run_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Start an endpoint whose folder exists."""
        self.endpoints.append(endpoint)
        endpoint.start()
        self.service.wait_until_online(endpoint.id, 30)
        return endpoint

    def restart_broker(self) -> None:
        """Kill the broker and start it again on what it kept."""
        self.broker.kill()
        self.broker.start()

    def stop(self) -> None:
        """The SDK's watchers first: they would reconnect for half a minute to what is going away."""
        stop_watchers()
        for endpoint in self.endpoints:
            endpoint.stop()
        self.service.stop()
        self.proxy.stop()
        self.relay.stop()
        self.broker.stop()


def stop_watchers() -> None:
    """End the threads of the SDK that wait for results in this process."""
    from globus_compute_sdk.sdk.executor import _RESULT_WATCHERS

    for watcher in list(_RESULT_WATCHERS.values()):
        watcher.shutdown(wait=False, cancel_futures=True)


def port_is_free() -> bool:
    """Whether the service's port is free: the SDK knows no other."""
    with socket.socket(socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return False
    return os.environ.get("GLOBUS_SDK_ENVIRONMENT", "local") == "local"

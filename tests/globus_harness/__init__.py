"""The Globus Compute stack on this machine: the real SDK and the real endpoint daemon around a stand-in web service.

::

    SDK ──HTTP──> Service ──> Relay ──AMQP──> broker ──> endpoint daemon ──> user endpoint process ──> workers
     ^                                         │  ^                                  │
     └──────────── Proxy <────results──────────┘  └────────────results──────────────┘

Only `Service` (the web API), `Relay` (its side of the broker) and `Proxy` (a wire that can be cut) are ours;
the SDK, the endpoint and the broker are what users run. All of it stays on the loopback interface.
"""

from globus_harness.broker import Broker
from globus_harness.endpoint import Endpoint
from globus_harness.stack import Stack, port_is_free

__all__ = ["Broker", "Endpoint", "Stack", "port_is_free"]

"""A TCP wire to the broker that can be cut, also right after the next delivery: how a results stream is dropped."""

from __future__ import annotations

import contextlib
import socket
import threading
from functools import partial

LARGE = 600
"""More bytes in one read than the broker's replies to commands have: a result was delivered."""


class Proxy:
    """Carries every connection made to `port` on to ``target`` until it is told to cut them."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wires: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut_after_delivery = threading.Event()
        self.cuts = 0

    def start(self) -> None:
        """Accept connections from now on."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def stop(self) -> None:
        """Accept no more, and cut what there is."""
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Drop every connection, as a network does that fails."""
        with self._lock:
            wires, self._wires = self._wires, set()
        for wire in wires:
            _close(wire)
        self.cuts += 1

    def cut_after_delivery(self) -> None:
        """Drop every connection just when the next result has come through: received, not yet acknowledged."""
        self._cut_after_delivery.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._wires |= {near, far}
                threading.Thread(target=partial(self._carry, near, far), daemon=True).start()
                threading.Thread(target=partial(self._carry, far, near, watch=True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, *, watch: bool = False) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
                if watch and len(chunk) > LARGE and self._cut_after_delivery.is_set():
                    self._cut_after_delivery.clear()
                    self.cut()
        with self._lock:
            self._wires -= {source, sink}
        _close(source)
        _close(sink)


def _close(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    wire.close()

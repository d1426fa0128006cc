"""The stand-in's side of the broker: declares queues, publishes, consumes, and outlives a restart of the broker."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

EXCHANGE = "compute"
Handler = Callable[[bytes], None]


@dataclass(frozen=True)
class Message:
    """What is to be published to a queue."""

    queue: str
    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    content_type: str | None = None


class Relay(threading.Thread):
    """One connection, owned by this thread; other threads leave their wishes in queues.

    A message stays in the outbox until the broker has confirmed it, so a broker that restarts loses nothing.
    """

    def __init__(self, url: str) -> None:
        super().__init__(name="relay", daemon=True)
        self._parameters = pika.URLParameters(url)
        self._queues: dict[str, Handler | None] = {}
        self._news: deque[str] = deque()
        self._outbox: deque[Message] = deque()
        self._stop_asked = threading.Event()
        self._known = threading.Condition()
        self._declared: set[str] = set()

    def declare(self, queues: Iterable[str], handler: Handler | None = None, seconds: float = 30) -> None:
        """Make sure that queues exist (and are consumed by ``handler``); returns when the broker has them."""
        names = list(queues)
        for name in names:
            if name not in self._queues:
                self._queues[name] = handler
                self._news.append(name)
        with self._known:
            if not self._known.wait_for(lambda: self._declared.issuperset(names), seconds):
                raise TimeoutError(f"the broker did not declare {names} in {seconds:g} s")

    def publish(self, message: Message) -> None:
        """Send a message as soon as the broker takes it."""
        self._outbox.append(message)

    def stop(self) -> None:
        """Close the connection and end the thread."""
        self._stop_asked.set()
        self.join(10)

    def run(self) -> None:
        """Serve until asked to stop; connect again whenever the connection is gone."""
        while not self._stop_asked.is_set():
            try:
                connection = BlockingConnection(self._parameters)
                self._serve(connection)
                connection.close()
            except (AMQPError, OSError):
                time.sleep(0.2)

    def _serve(self, connection: BlockingConnection) -> None:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(EXCHANGE, exchange_type="direct", durable=True)
        opened: set[str] = set()
        self._news.extend(list(self._queues))
        while not self._stop_asked.is_set():
            while self._news:
                name = self._news.popleft()
                if name not in opened:
                    opened.add(name)
                    self._open(channel, name)
            while self._outbox:
                self._send(channel, self._outbox[0])
                self._outbox.popleft()
            connection.process_data_events(time_limit=0.02)  # type: ignore[arg-type]

    def _open(self, channel: BlockingChannel, name: str) -> None:
        channel.queue_declare(name, durable=True)
        channel.queue_bind(name, EXCHANGE, routing_key=name)
        handler = self._queues[name]
        if handler is not None:
            channel.basic_consume(name, on_message_callback=_acknowledged(handler))
        with self._known:
            self._declared.add(name)
            self._known.notify_all()

    def _send(self, channel: BlockingChannel, message: Message) -> None:
        properties = pika.BasicProperties(
            content_type=message.content_type,
            headers=message.headers,
            delivery_mode=2,
            timestamp=round(time.time()),
        )
        channel.basic_publish(EXCHANGE, message.queue, message.body, properties)


def _acknowledged(handler: Handler) -> Callable[..., None]:
    def on_message(channel: BlockingChannel, delivery: Any, _properties: Any, body: bytes) -> None:
        handler(body)
        channel.basic_ack(delivery.delivery_tag)

    return on_message

"""A TCP proxy that can be cut: all connections through it break, and new ones are refused until it is mended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cuttable:
    """Forwards a free local port to another one; all methods may be called from any thread."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.broken = False
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self.broken = True
        self._loop.call_soon_threadsafe(self._abort)

    def mend(self) -> None:
        """Let connections through again."""
        self.broken = False

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Break everything and end."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.transport.abort()
            return
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        ends = {writer, there_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()


@contextmanager
def cuttable(target: int) -> Iterator[Cuttable]:
    """A proxy before a local port."""
    proxy = Cuttable(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()

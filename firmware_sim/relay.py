"""A TCP relay that behaves like a bad network: slow, narrow, silent, or gone.

It stands between a device and its broker and can be told at any moment, from any thread, to get worse or better.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

READ_BYTES = 16 * 1024
# A throttled line passes on what it may in slices of this length, so that it trickles instead of jumping.
SLICE_S = 0.1
CONNECT_TIMEOUT_S = 5.0
# Slices on the way in one direction; a full line holds the sender up.
MAX_ON_ITS_WAY = 256

OnItsWay = asyncio.Queue[tuple[float, bytes]]
"""When to hand out, in the loop's time, and what; no bytes are the end."""
Count = Callable[[int], None]


class Relay:
    """Listens on a local port and passes every connection on to a target.

    Use as a context manager. `delay_s` (each way) and `bytes_per_s` (each connection and way; None for all that fits) may
    be set at any time and hold from the next bytes on.
    """

    def __init__(self, host: str, port: int, *, listen_port: int = 0) -> None:
        """Describe a relay to `host` and `port`; `listen_port` 0 takes a free one."""
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.port = listen_port
        """Where it listens."""
        self.accepted = 0
        """Connections so far, also those that were refused."""
        self.bytes_to_target = 0
        """TCP payload read from those who connected."""
        self.bytes_from_target = 0
        self._target = (host, port)
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._half_closed: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._ask(asyncio.start_server(self._take, "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._ask(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break all connections, and every new one at once, until `resume`."""
        self._ask(self._cut())

    def black_hole(self) -> None:
        """Let nothing through any more while every connection stays up, also new ones, until `resume`."""
        self._ask(self._switch(is_cut=False, flows=False))

    def resume(self) -> None:
        """Be a good network again; what waits in a black hole's connections still arrives, as after TCP retries."""
        self._ask(self._switch(is_cut=False, flows=True))

    def half_close(self) -> None:
        """End what the device sends (FIN towards the target) on every connection; answers still come back."""
        self._ask(self._half_close())

    def _ask(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _switch(self, *, is_cut: bool, flows: bool) -> None:
        self._is_cut = is_cut
        (self._flows.set if flows else self._flows.clear)()

    async def _cut(self) -> None:
        await self._switch(is_cut=True, flows=True)
        for writer in (*self._writers, *self._writers.values()):
            writer.transport.abort()

    async def _half_close(self) -> None:
        for towards_target in self._writers.values():
            self._half_closed.add(towards_target)
            towards_target.write_eof()

    async def _end(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _take(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = self._loop.create_task(self._connect(near, to_near))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connect(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        try:
            if not self._is_cut:
                far, to_far = await asyncio.wait_for(asyncio.open_connection(*self._target), CONNECT_TIMEOUT_S)
                self._writers[to_near] = to_far
                async with asyncio.TaskGroup() as both_ways:
                    both_ways.create_task(self._pump(near, to_far, self._count_to_target))
                    both_ways.create_task(self._pump(far, to_near, self._count_from_target))
        except* (OSError, TimeoutError):
            # Broken by one side, or refused by the target: the other side learns it below.
            pass
        finally:
            to_near.transport.abort()
            if to_near in self._writers:
                to_far = self._writers.pop(to_near)
                self._half_closed.discard(to_far)
                to_far.transport.abort()

    def _count_to_target(self, size: int) -> None:
        self.bytes_to_target += size

    def _count_from_target(self, size: int) -> None:
        self.bytes_from_target += size

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Count) -> None:
        """Pass bytes on; those on their way do not hold up those behind them, as on a long line."""
        on_its_way: OnItsWay = asyncio.Queue(MAX_ON_ITS_WAY)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take_in(reader, on_its_way, count))
            ends.create_task(self._hand_out(on_its_way, writer))

    async def _take_in(self, reader: asyncio.StreamReader, on_its_way: OnItsWay, count: Count) -> None:
        data = b"any"
        while data:
            size = READ_BYTES if self.bytes_per_s is None else max(1, int(self.bytes_per_s * SLICE_S))
            data = await reader.read(size)
            count(len(data))
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)
            await on_its_way.put((self._loop.time() + self.delay_s, data))

    async def _hand_out(self, on_its_way: OnItsWay, writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, data = await on_its_way.get()
            await asyncio.sleep(due_s - self._loop.time())
            await self._flows.wait()
            if not data:
                break
            if writer not in self._half_closed:
                writer.write(data)
                await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

"""The clients of the admission benchmark, in a process of their own: HTTP/1.1 over TLS, connections that stay open.

Sockets and epoll, and no more: the clients must cost less than what they measure. Each connection has one review under
way at any time, as a closed loop. Takes a `Load` as JSON on standard input, prints an `Outcome` as JSON.
"""

import json
import os
import select
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass

from tests.bench.machine import cpu_seconds, look
from tests.bench.reviews import UID, make_review

_HEAD = "POST /validate HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
_READ_BYTES = 65536


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What to send where: `pid` is the server's, `core` the one to run on, `kind` and `new` as in `make_review`."""

    port: int
    host: str
    ca: str
    pid: int
    core: int
    connections: int
    warm_seconds: float
    seconds: float
    kind: str
    new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of it. `other_cores` is how many cores somebody else kept busy meanwhile, our host's other guests too."""

    reviews: int
    rate: float
    cpu_microseconds: float
    p50_milliseconds: float
    p99_milliseconds: float
    other_cores: float


class Client:
    """One connection with one review under way.

    Raises:
        RuntimeError: an answer does not admit the review, or the server closed the connection.
    """

    def __init__(self, load: Load, context: ssl.SSLContext) -> None:
        raw = socket.create_connection(("127.0.0.1", load.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=load.host)
        self.socket.setblocking(False)
        body = make_review(kind=load.kind, new=load.new)
        self._message = _HEAD.format(load.host, len(body)).encode() + body
        self._uid = b""
        self._answer = b""
        self._sent = 0.0

    def send(self, number: int) -> None:
        """Sends the `number`-th review."""
        self._uid = f"{number:0{len(UID) - 4}d}-uid".encode()
        self._answer = b""
        rest = memoryview(self._message.replace(UID.encode(), self._uid))
        self._sent = time.perf_counter()
        while rest:
            try:
                rest = rest[self.socket.send(rest) :]
            except ssl.SSLWantWriteError:
                select.select([], [self.socket], [])

    def receive(self) -> float | None:
        """The seconds that the review took, None where its answer is not complete."""
        while True:
            try:
                chunk = self.socket.recv(_READ_BYTES)
            except ssl.SSLWantReadError:
                return None
            if not chunk:
                raise RuntimeError("the webhook closed a connection")
            self._answer += chunk
            head, separator, body = self._answer.partition(b"\r\n\r\n")
            if separator and len(body) >= int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
                break
        seconds = time.perf_counter() - self._sent
        if not (head.startswith(b"HTTP/1.1 200 ") and b'"allowed":true' in body and self._uid in body):
            raise RuntimeError(f"not admitted: {self._answer.decode(errors='replace')}")
        return seconds


class Crowd:
    """All connections; numbers its reviews through, so that none is sent twice."""

    def __init__(self, load: Load, context: ssl.SSLContext) -> None:
        clients = [Client(load, context) for _ in range(load.connections)]
        self._clients = {client.socket.fileno(): client for client in clients}
        # So that a second load on the same server brings nothing that it has seen.
        self._number = time.time_ns() // 1_000_000 % 50_000_000

    def run(self, seconds: float) -> list[float]:
        """Keeps every connection busy for that long; returns the seconds of each review."""
        took: list[float] = []
        with select.epoll() as ready:
            for number, client in self._clients.items():
                ready.register(number, select.EPOLLIN)
                self._send(client)
            waiting = len(self._clients)
            end = time.perf_counter() + seconds
            while waiting:
                for number, _ in ready.poll():
                    client = self._clients[number]
                    time_taken = client.receive()
                    if time_taken is None:
                        continue
                    took.append(time_taken)
                    if time.perf_counter() < end:
                        self._send(client)
                    else:
                        waiting -= 1
        return took

    def _send(self, client: Client) -> None:
        self._number += 1
        client.send(self._number)


def run(load: Load) -> Outcome:
    """Connects, warms up and measures."""
    os.sched_setaffinity(0, {load.core})
    crowd = Crowd(load, ssl.create_default_context(cafile=load.ca))
    crowd.run(load.warm_seconds)
    cpu, own, before = cpu_seconds(load.pid), cpu_seconds(os.getpid()), look()
    took = sorted(crowd.run(load.seconds))
    cpu, own, after = cpu_seconds(load.pid) - cpu, cpu_seconds(os.getpid()) - own, look()
    elapsed = after.time - before.time
    other = after.busy - before.busy + after.stolen - before.stolen - cpu - own
    return Outcome(
        reviews=len(took),
        rate=len(took) / elapsed,
        cpu_microseconds=cpu / len(took) * 1e6,
        p50_milliseconds=took[len(took) // 2] * 1000,
        p99_milliseconds=took[len(took) * 99 // 100] * 1000,
        other_cores=max(0.0, other / elapsed),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(run(Load(**json.load(sys.stdin))))))

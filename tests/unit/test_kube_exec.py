"""Ending the connection of an exec: whatever state it is in, the result is not lost."""

import asyncio

from wheelwarden.kube.exec import end_connection


class Closed(asyncio.WriteTransport):
    """A TLS transport that was closed twice, as Python 3.11.2 has it."""

    _ssl_protocol = None

    def abort(self) -> None:
        self._ssl_protocol._abort()  # type: ignore[attr-defined]


class Open(asyncio.WriteTransport):
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_an_open_connection_is_aborted() -> None:
    transport = Open()
    end_connection(transport)
    assert transport.aborted


def test_one_that_is_closed_already_or_never_was_is_no_error() -> None:
    end_connection(Closed())
    end_connection(None)

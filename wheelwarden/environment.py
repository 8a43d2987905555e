"""Reading environment variables into settings: every fault names the variable, its value and what it should be."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wheelwarden.errors import UnusableInput


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


def required(environment: Mapping[str, str], name: str) -> str:
    """A variable that must be set and not empty."""
    value = environment.get(name, "")
    if not value:
        raise UnusableInput(f"{name} is not set")
    return value


def flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """`true` or `false`."""
    return one_of(environment, name, ("true", "false"), default="true" if default else "false") == "true"


def one_of(environment: Mapping[str, str], name: str, allowed: Sequence[str], *, default: str) -> str:
    """One of a few words."""
    value = environment.get(name) or default
    if value not in allowed:
        raise UnusableInput(f"{name} is {value!r}, it should be one of {', '.join(allowed)}")
    return value


def number(environment: Mapping[str, str], name: str, *, default: int, least: int = 1) -> int:
    """A whole number of at least `least`."""
    value = environment.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise UnusableInput(f"{name} is {value!r}, it should be a whole number from {least} up")
    return int(value)


def words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list, separated by commas; empty where the variable is not set."""
    return tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())


def listen_address(environment: Mapping[str, str], name: str, *, default: str) -> Address:
    """`HOST:PORT`, as in `0.0.0.0:9443` or `[::]:9443`; port 0 takes a free one."""
    value = environment.get(name) or default
    host, separator, port = value.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise UnusableInput(f"{name} is {value!r}, it should be HOST:PORT, as in {default}")
    return Address(host.strip("[]"), int(port))

"""Environment markers (PEP 508): whether one can hold in a pod at all, and which of several hold in the same one."""

import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from packaging.markers import Marker, UndefinedEnvironmentName

_PYTHONS: Final = tuple(f"3.{minor}" for minor in range(8, 20))
_PATCHES: Final = (0, 5, 30)
_MACHINES: Final = ("x86_64", "aarch64", "ppc64le", "s390x", "armv7l", "i686", "riscv64")
_IMPLEMENTATIONS: Final = (("cpython", "CPython"), ("pypy", "PyPy"))
# Kinds of pods that one question is tried in; where there are more, nobody tells.
MAX_ENVIRONMENTS: Final = 168
# What we cannot guess: kernels.
_UNKNOWABLE: Final = ("platform_release", "platform_version")


@lru_cache(maxsize=256)
def can_hold(marker: str) -> bool:
    """Whether a marker holds on Linux with some Python from 3.8 on; true where nobody can tell."""
    environments = list(_environments(marker))
    if _is_unknowable(marker) or len(environments) > MAX_ENVIRONMENTS:
        return True
    parsed = Marker(marker)
    return any(_holds(parsed, environment) for environment in environments)


@lru_cache(maxsize=256)
def held_together(markers: frozenset[str]) -> frozenset[frozenset[str]]:
    """Which markers hold in the same pod: a set for each kind of pod that there may be.

    One of which nobody can tell when it holds stands alone in a set.
    """
    together = {frozenset({marker}) for marker in markers if _is_unknowable(marker)}
    known = {marker: Marker(marker) for marker in markers if not _is_unknowable(marker)}
    environments = list(_environments(" ".join(known)))
    if len(environments) > MAX_ENVIRONMENTS:
        return frozenset(frozenset({marker}) for marker in markers)
    for environment in environments:
        together.add(frozenset(marker for marker, parsed in known.items() if _holds(parsed, environment)))
    # What holds in a pod where more holds is judged there.
    return frozenset(one for one in together if not any(one < other for other in together))


def _is_unknowable(marker: str) -> bool:
    return any(name in marker for name in _UNKNOWABLE)


def _holds(marker: Marker, environment: dict[str, str]) -> bool:
    try:
        return marker.evaluate(environment)
    except (UndefinedEnvironmentName, ValueError):
        return True


def _environments(marker: str) -> Iterator[dict[str, str]]:
    """Pods as they may be, in all that a marker asks about."""
    patches = _PATCHES if "full_version" in marker or "implementation_version" in marker else _PATCHES[:1]
    machines = _MACHINES if "platform_machine" in marker else _MACHINES[:1]
    implementations = _IMPLEMENTATIONS if "implementation" in marker else _IMPLEMENTATIONS[:1]
    for python, patch, machine, (short, long) in itertools.product(_PYTHONS, patches, machines, implementations):
        yield {
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": machine,
            "platform_python_implementation": long,
            "implementation_name": short,
            "python_version": python,
            "python_full_version": f"{python}.{patch}",
            "implementation_version": f"{python}.{patch}",
            "extra": "",
        }

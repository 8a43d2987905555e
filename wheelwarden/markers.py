"""Environment markers (PEP 508): whether one can hold in a pod at all."""

import itertools
from functools import lru_cache
from typing import Final

from packaging.markers import Marker, UndefinedEnvironmentName

_PYTHONS: Final = tuple(f"3.{minor}" for minor in range(8, 20))
_PATCHES: Final = (0, 5, 30)
_MACHINES: Final = ("x86_64", "aarch64", "ppc64le", "s390x", "armv7l", "i686", "riscv64")
_IMPLEMENTATIONS: Final = (("cpython", "CPython"), ("pypy", "PyPy"))
# What we cannot guess: kernels.
_UNKNOWABLE: Final = ("platform_release", "platform_version")


@lru_cache(maxsize=256)
def can_hold(marker: str) -> bool:
    """Whether a marker holds on Linux with some Python from 3.8 on; true where nobody can tell."""
    if any(name in marker for name in _UNKNOWABLE):
        return True
    parsed = Marker(marker)
    patches = _PATCHES if "full_version" in marker or "implementation_version" in marker else _PATCHES[:1]
    machines = _MACHINES if "platform_machine" in marker else _MACHINES[:1]
    implementations = _IMPLEMENTATIONS if "implementation" in marker else _IMPLEMENTATIONS[:1]
    for python, patch, machine, (short, long) in itertools.product(_PYTHONS, patches, machines, implementations):
        environment = {
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
        try:
            if parsed.evaluate(environment):
                return True
        except (UndefinedEnvironmentName, ValueError):
            return True
    return False

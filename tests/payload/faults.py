"""A package for each fault of the reliability profile, and a twin of it without the fault."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A package without faults.
HEALTHY: Mapping[str, str] = {
    "healthy/__init__.py": "from healthy.inner import answer\n",
    "healthy/inner.py": "import healthy\nanswer = 42\n",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        files: the package with the fault.
        fixed: the files that are different in the twin.
        modules: the modules to try.
        checks: the checks to run.
        found: a pattern of the error of each check that fails, by check and subject.
        options: of the profile.
    """

    files: Mapping[str, str]
    fixed: Mapping[str, str]
    modules: tuple[str, ...]
    checks: tuple[str, ...]
    found: Mapping[tuple[str, str], str]
    options: Mapping[str, Any] = field(default_factory=dict)


ALL = ("paths", "fresh", "cycles", "order", "processes", "threads", "load", "stress", "memory")

FAULTS: Mapping[str, Fault] = {
    "cycle of three": Fault(
        files={
            "round/__init__.py": "",
            "round/a.py": "from round.b import two\none = 1\n",
            "round/b.py": "from round.c import three\ntwo = 2\n",
            "round/c.py": "from round.a import one\nthree = 3\n",
        },
        fixed={"round/c.py": "def three():\n    from round.a import one\n    return one + 2\n"},
        modules=("round.a",),
        checks=("fresh", "cycles", "threads"),
        found={
            ("fresh", "round.a"): "ImportError: cannot import name 'one' from partially initialized module 'round.a'",
            ("cycles", "round.a"): "round.a → round.b → round.c → round.a: ImportError",
        },
    ),
    "cycle of two": Fault(
        files={"pair_a.py": "from pair_b import b\na = 1\n", "pair_b.py": "from pair_a import a\nb = 2\n"},
        fixed={"pair_b.py": "import pair_a\nb = 2\n"},
        modules=("pair_a",),
        checks=("cycles",),
        found={("cycles", "pair_a"): "pair_a → pair_b → pair_a: ImportError"},
    ),
    "order": Fault(
        files={"spoiler.py": "import json\ndel json.dumps\n", "needy.py": "from json import dumps\n"},
        fixed={"spoiler.py": "import json\n"},
        modules=("spoiler", "needy"),
        checks=("fresh", "order"),
        found={("order", "spoiler then needy"): "ImportError: cannot import name 'dumps' from 'json'"},
    ),
    "two classes of one name": Fault(
        files={
            "errors_base.py": "class ServiceError(Exception):\n    pass\n",
            "errors_api.py": "class ServiceError(Exception):\n    pass\n",
        },
        fixed={"errors_api.py": "from errors_base import ServiceError\n"},
        modules=("errors_base:ServiceError", "errors_api:ServiceError"),
        checks=("fresh", "order"),
        found={
            ("identity", "errors_base:ServiceError then errors_api:ServiceError"): (
                "errors_base:ServiceError and errors_api:ServiceError are two different classes"
            ),
            ("identity", "errors_api:ServiceError then errors_base:ServiceError"): (
                "errors_api:ServiceError and errors_base:ServiceError are two different classes"
            ),
        },
    ),
    "two objects of one name in one package": Fault(
        files={
            "shop/__init__.py": "settings = object()\n",
            "shop/config.py": "settings = object()\n",
        },
        fixed={"shop/config.py": "from shop import settings\n"},
        modules=("shop:settings", "shop.config:settings"),
        checks=("order",),
        found={
            ("identity", "shop:settings then shop.config:settings"): (
                "shop:settings and shop.config:settings are two different objects"
            ),
            ("identity", "shop.config:settings then shop:settings"): (
                "shop.config:settings and shop:settings are two different objects"
            ),
        },
    ),
    "slow": Fault(
        files={"slow.py": "import time\ntime.sleep(2.5)\n"},
        fixed={"slow.py": "def work():\n    import time\n    time.sleep(2.5)\n"},
        modules=("slow",),
        checks=("fresh",),
        found={("time", "slow"): r"it takes \d+ ms, more than 2000 ms"},
        options={"budget_ms": 2000},
    ),
    "not beside threads": Fault(
        files={
            "hurried.py": (
                "import threading\nif threading.active_count() > 1:\n    raise RuntimeError('not beside other threads')\n"
            )
        },
        fixed={"hurried.py": "import threading\n"},
        modules=("hurried",),
        checks=("fresh", "threads", "load", "processes"),
        found={
            (
                "threads",
                "hurried",
            ): r"4 of 4 threads failed; worker \d, exit code 1: RuntimeError: not beside other threads",
            ("load", "hurried"): "RuntimeError: not beside other threads",
        },
    ),
    "shared lock": Fault(
        files={
            "locked.py": (
                "import os, time\npath = os.environ['WW_LOCK']\n"
                "descriptor = os.open(path, os.O_CREAT | os.O_EXCL)\ntime.sleep(0.5)\nos.unlink(path)\n"
            )
        },
        fixed={
            "locked.py": "import os\n\n\ndef lock():\n    return os.open(os.environ['WW_LOCK'], os.O_CREAT | os.O_EXCL)\n"
        },
        modules=("locked",),
        checks=("fresh", "processes"),
        found={("processes", "locked"): r"\d of 5 interpreters failed; worker \d, exit code 1: FileExistsError: "},
    ),
    "dies": Fault(
        files={"dies.py": "import os, sys\nprint('out of luck', file=sys.stderr, flush=True)\nos._exit(7)\n"},
        fixed={"dies.py": "import os, sys\n"},
        modules=("dies",),
        checks=("processes", "stress"),
        found={
            (
                "processes",
                "dies",
            ): "5 of 5 interpreters failed; worker 1, exit code 7: the interpreter exited with code 7 out of luck",
            (
                "stress",
                "dies",
            ): r"4 of 4 imports failed; worker \d, exit code 7: the interpreter exited with code 7 out of luck",
        },
    ),
    "now and then": Fault(
        files={"flaky.py": "import random\nif random.random() < 0.3:\n    raise RuntimeError('now and then')\n"},
        fixed={"flaky.py": "import random\nchosen = random.random() < 0.3\n"},
        modules=("flaky",),
        checks=("stress",),
        found={("stress", "flaky"): r"\d+ of 40 imports failed; worker \d, exit code 1: RuntimeError: now and then"},
    ),
    "leak": Fault(
        files={
            "leaky.py": (
                "import builtins\nkept = builtins.__dict__.setdefault('ww_kept', [])\nkept.append(bytearray(b'x') * 65536)\n"
            )
        },
        fixed={"leaky.py": "import builtins\nbuiltins.ww_kept = [bytearray(b'x') * 65536]\n"},
        modules=("leaky",),
        checks=("memory",),
        found={("memory", "leaky"): r"\d+ KiB more after 40 imports"},
    ),
    "attribute": Fault(
        files={"incomplete.py": "present = 1\n"},
        fixed={"incomplete.py": "present = absent = 1\n"},
        modules=("incomplete:absent",),
        checks=ALL,
        found={("fresh", "incomplete:absent"): "AttributeError: module 'incomplete' has no attribute 'absent'"},
    ),
    "shared library": Fault(
        files={"linked.py": "import ctypes\nctypes.CDLL('libww-is-not-there.so.9')\n"},
        fixed={"linked.py": "import ctypes\nctypes.CDLL(None)\n"},
        modules=("linked",),
        checks=("paths", "fresh"),
        found={("fresh", "linked"): "OSError: libww-is-not-there.so.9: cannot open shared object file"},
    ),
    "module": Fault(
        files={"beside.py": ""},
        fixed={"nowhere.py": ""},
        modules=("nowhere", "beside"),
        checks=ALL,
        found={("paths", "nowhere"): "it is not on sys.path"},
    ),
    "module of a package": Fault(
        files={"store/__init__.py": ""},
        fixed={"store/models.py": ""},
        modules=("store.models",),
        checks=ALL,
        found={("paths", "store.models"): r"store is in \S+/store/__init__.py, but has no store.models"},
    ),
    "dependency": Fault(
        files={"wanting.py": "import ww_gone\n"},
        fixed={"ww_gone.py": ""},
        modules=("wanting",),
        checks=ALL,
        found={("fresh", "wanting"): "ModuleNotFoundError: No module named 'ww_gone'"},
    ),
    "call": Fault(
        files={"callable_one.py": "def one():\n    raise ValueError('called')\n"},
        fixed={"callable_one.py": "def one():\n    return 1\n"},
        modules=("callable_one:one",),
        checks=("fresh",),
        found={("fresh", "callable_one:one"): "ValueError: called"},
        options={"call": True},
    ),
    "hangs": Fault(
        files={"hangs.py": "import time\ntime.sleep(600)\n"},
        fixed={"hangs.py": "import time\n"},
        modules=("hangs", "json"),
        checks=("load",),
        found={("load", "hangs"): "it did not end within 2 s"},
        options={"deadline_seconds": 2},
    ),
}

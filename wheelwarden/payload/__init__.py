"""The programs that run in the workload's image, as data: they are read here, never imported.

`install.py`, `probe.py` and `reliability.py` use the standard library of Python 3.8 or later, and of ours what stands in this
folder (`children.py`, `reliability_tasks.py`), which `read` makes a part of them.
"""

import base64
import json
import re
import zlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

SHARED: Final = re.compile(r"^from wheelwarden\.payload\.(\w+) import .*\n", re.MULTILINE)


@cache
def read(name: str) -> str:
    """The source of a payload, by its file name, whole: what it imports of this folder stands in that line's place."""
    source = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return SHARED.sub(lambda found: read(f"{found[1]}.py"), source)


@cache
def bootstrap(name: str) -> str:
    """A program for `python -c` that runs the payload: its source, compressed; far below the 128 KiB of one argument.

    Base64, since its alphabet has no `$`: in a container's command Kubernetes would make one of two.
    """
    packed = base64.b64encode(zlib.compress(read(name).encode(), 9)).decode()
    return f"import base64,zlib;exec(compile(zlib.decompress(base64.b64decode({packed!r})),{name!r},'exec'))"


def probe_argv(
    python: str, request: Mapping[str, Any], *, payload: str = "probe.py", attached: bool = False
) -> list[str]:
    """The command of a probe: `python` isolated from the working directory, the payload, and the request as JSON.

    Attached: its standard input is that of an open connection, and the probe ends when that does.
    """
    asked = {**request, "attached": True} if attached else request
    return [python, "-I", "-c", bootstrap(payload), json.dumps(asked, separators=(",", ":"))]

"""What an interpreter says about itself, as far as compiled packages for it must know it."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import artifacts

# The distribution's own interpreter: the same as in the images, which are made from the same suite.
DISTRIBUTION = Path("/usr/bin/python3")

_QUESTION = """
import json, sys, sysconfig
print(json.dumps({
    "tag": "cp%d%d" % sys.version_info[:2],
    "platform": sysconfig.get_platform().replace("-", "_").replace(".", "_"),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "headers": sysconfig.get_path("include"),
}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """Such as `Interpreter(tag="cp311", platform="linux_x86_64", suffix=".cpython-311-x86_64-linux-gnu.so", …)`."""

    path: Path
    tag: str
    platform: str
    suffix: str
    headers: Path


def read_interpreter(path: Path) -> Interpreter:
    """Ask the interpreter at `path`.

    Raises:
        artifacts.BuildError: it does not start.
    """
    facts = json.loads(artifacts.read_output([path, "-I", "-c", _QUESTION]))
    return Interpreter(
        path=path,
        tag=facts["tag"],
        platform=facts["platform"],
        suffix=facts["suffix"],
        headers=Path(facts["headers"]),
    )

"""Import names: their grammar, and the well-known ones that differ from the name of their package."""

import keyword
import re
from functools import lru_cache
from typing import Final

from packaging.utils import canonicalize_name

# Package verification contract (seed 000), whole-string match, each part of a dotted name.
_IDENTIFIER: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

# Import name -> distribution. Names where somebody else's distribution has the import's name, or none has.
_KNOWN: Final = {
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "yaml": "PyYAML",
    "PIL": "Pillow",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "skimage": "scikit-image",
}
# Both by normalised name.
DISTRIBUTION_OF_IMPORT: Final = {canonicalize_name(module): package for module, package in _KNOWN.items()}
IMPORT_OF_DISTRIBUTION: Final = {canonicalize_name(package): module for module, package in _KNOWN.items()}


@lru_cache(maxsize=1024)
def explain_module(entry: str) -> str | None:
    """Why an entry is no `module`, `package.module` or `module:attribute`; None where it is one."""
    module, colon, attribute = entry.partition(":")
    if colon and not attribute:
        return 'no attribute follows ":"'
    for part in [*module.split("."), *(attribute.split(".") if colon else ())]:
        if not part:
            return "a name is missing in it"
        if not _IDENTIFIER.fullmatch(part):
            return "its parts are no names of Python: letters, digits and underscores, no digit at the beginning"
        if keyword.iskeyword(part):
            return f'"{part}" is a keyword of Python, so nothing can be imported by it'
    return None

"""Did you mean …? The nearest known name to one that is unknown."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `word`, letter case apart; None where none comes near."""
    if len(word) > 128:
        return None
    by_folded = {name.lower().replace("_", "").replace("-", ""): name for name in known}
    matches = get_close_matches(word.lower().replace("_", "").replace("-", ""), by_folded, n=1, cutoff=0.75)
    return by_folded[matches[0]] if matches else None

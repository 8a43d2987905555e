"""In which line of a file a violation stands."""

from collections.abc import Mapping

from wheelwarden.cli.manifests import Manifest
from wheelwarden.parsing.documents import UnreadableDocument, read_documents


def find_line(manifest: Manifest, path: str) -> int:
    """The line of a violation's path, or of what is nearest around it; the document's first line if nothing is known.

    Inside a literal block (`|`), as annotations mostly are, the line within the block counts.
    """
    document = manifest.document
    whole = f"{manifest.prefix}.{path}" if manifest.prefix else path
    found, line = _nearest(document.lines, whole)
    if found not in document.blocks:
        return line or document.line
    inside = whole[len(found) :].lstrip(".")
    text = _value(manifest, path[: len(path) - len(whole) + len(found)])
    if not inside or text is None:
        return line
    try:
        inner = next(read_documents(text), None)
    except UnreadableDocument:
        return line
    return line + (_nearest(inner.lines, inside)[1] if inner else 0)


def _nearest(lines: Mapping[str, int], path: str) -> tuple[str, int]:
    """The longest beginning of a path that has a line."""
    while path not in lines:
        cut = path.rfind("[") if path.endswith("]") else path.rfind(".")
        if cut <= 0:
            return "", lines.get("", 0)
        path = path[:cut]
    return path, lines[path]


def _value(manifest: Manifest, path: str) -> str | None:
    """The text of an annotation, by its path; the only literal blocks that violations stand in."""
    metadata = manifest.obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping):
        return None
    value = annotations.get(path.removeprefix("metadata.annotations[").removesuffix("]"))
    return value if isinstance(value, str) else None

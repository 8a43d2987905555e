"""Find the line of a violation in a file."""

from collections.abc import Mapping

from wheelwarden.cli.manifests import Manifest
from wheelwarden.parsing.documents import UnreadableDocument, read_documents


def find_line(manifest: Manifest, path: str) -> int:
    """Return the line of a violation's path, or of the nearest enclosing value, or else the document's first line.

    If the value is inside a literal block (`|`), as in most annotations, it is the line inside the block.
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
    """The longest prefix of a path that has a line, and this line."""
    while path not in lines:
        cut = path.rfind("[") if path.endswith("]") else path.rfind(".")
        if cut <= 0:
            return "", lines.get("", 0)
        path = path[:cut]
    return path, lines[path]


def _value(manifest: Manifest, path: str) -> str | None:
    """The text of an annotation, by its path. Violations are in no other literal blocks."""
    metadata = manifest.obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping):
        return None
    value = annotations.get(path.removeprefix("metadata.annotations[").removesuffix("]"))
    return value if isinstance(value, str) else None

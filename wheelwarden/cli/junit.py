"""JUnit XML as Jenkins and GitLab read it: one suite with a case for each check."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Characters that XML 1.0 cannot contain, not even as a reference (section 2.2), and all other control characters.
_NOT_IN_XML: Final = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class JunitCase:
    """One check.

    Attributes:
        name: name of the check.
        seconds: the time it took.
        failure: type, message and whole text of a failure; None if it passed.
        skipped: why it was skipped; None if it was not.
        output: additional text of a failure, such as a log; None for none.
    """

    name: str
    seconds: float = 0.0
    failure: tuple[str, str, str] | None = None
    skipped: str | None = None
    output: str | None = None


def junit_document(suite_name: str, class_name: str, cases: Sequence[JunitCase]) -> str:
    """Return the document."""
    totals = {
        "tests": len(cases),
        "failures": sum(case.failure is not None for case in cases),
        "errors": 0,
        "skipped": sum(case.skipped is not None for case in cases),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    attributes = {name: str(value) for name, value in totals.items()}
    root = ET.Element("testsuites", attributes)
    suite = ET.SubElement(root, "testsuite", {"name": _text(suite_name), **attributes})
    suite.extend(_element(case, class_name) for case in cases)
    ET.indent(root)
    # ASCII, so that the document is the same in every locale.
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode()


def _element(case: JunitCase, class_name: str) -> ET.Element:
    time = f"{case.seconds:.3f}"
    element = ET.Element("testcase", {"classname": class_name, "name": _text(case.name), "time": time})
    if case.failure is not None:
        type_, message, text = case.failure
        failure = ET.SubElement(element, "failure", {"type": _text(type_), "message": _text(message)})
        failure.text = _text(text)
    if case.skipped is not None:
        ET.SubElement(element, "skipped", {"message": _text(case.skipped)})
    if case.output is not None:
        ET.SubElement(element, "system-out").text = _text(case.output)
    return element


def _text(text: str) -> str:
    return _NOT_IN_XML.sub(lambda found: ascii(found.group())[1:-1], text)

"""The test of an image as JUnit XML, in the form that Jenkins and GitLab read: a suite for the image, a case for its start
and one for each module.
"""

import re
import xml.etree.ElementTree as ET
from typing import Final

from wheelwarden.verify.diagnosis import PodDiagnosticInfo
from wheelwarden.verify.image_configuration import CustomImageTestConfiguration
from wheelwarden.verify.image_run import Passed

# What XML 1.0 cannot hold, not even as a reference (section 2.2).
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CLASS: Final = "wheelwarden.test-image"


def junit_xml(configuration: CustomImageTestConfiguration, outcome: Passed | PodDiagnosticInfo) -> str:
    """The document. Where the image did not start, its modules count as skipped."""
    cases = _cases(configuration, outcome)
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    seconds = sum(float(case.get("time", "0")) for case in cases)
    totals = {"tests": len(cases), "failures": failures, "errors": 0, "skipped": skipped, "time": f"{seconds:.3f}"}
    attributes = {name: str(value) for name, value in totals.items()}
    root = ET.Element("testsuites", attributes)
    suite = ET.SubElement(root, "testsuite", {"name": _text(configuration.custom_image), **attributes})
    suite.extend(cases)
    ET.indent(root)
    # ASCII, so that it is the same document in every locale.
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode()


def _cases(configuration: CustomImageTestConfiguration, outcome: Passed | PodDiagnosticInfo) -> list[ET.Element]:
    if isinstance(outcome, PodDiagnosticInfo):
        start = _case("start", 0)
        lines = [outcome.cause, f"{outcome.remedy}.", "", *outcome.events]
        lines += [line for name, log in outcome.logs.items() if log for line in ("", f"log of {name}:", log)]
        _fail(start, str(outcome.error_category), outcome.cause, "\n".join(lines))
        modules = [_case(f"import {module}", 0) for module in dict.fromkeys(configuration.packages_to_verify)]
        for case in modules:
            ET.SubElement(case, "skipped", {"message": "the image did not start"})
        return [start, *modules]
    cases = [_case("start", outcome.ready_seconds)]
    for module, result in outcome.results.items():
        case = _case(f"import {module}", result.execution_time_seconds)
        if not result.import_successful:
            error = result.error_message or ""
            _fail(case, error.partition(":")[0], error, result.stderr or error)
            if result.pod_logs:
                ET.SubElement(case, "system-out").text = _text(result.pod_logs)
        cases.append(case)
    return cases


def _case(name: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", {"classname": _CLASS, "name": _text(name), "time": f"{seconds:.3f}"})


def _fail(case: ET.Element, type_: str, message: str, text: str) -> None:
    ET.SubElement(case, "failure", {"type": _text(type_), "message": _text(message)}).text = _text(text)


def _text(text: str) -> str:
    return _NOT_IN_XML.sub(lambda found: ascii(found.group())[1:-1], text)

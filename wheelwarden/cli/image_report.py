"""The report of `wheelwarden test-image`: text for people, a record for programs, JUnit XML for CI."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from wheelwarden.api.redaction import printable
from wheelwarden.cli.junit import JunitCase, junit_document
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration
from wheelwarden.verify.image_test.diagnosis import PodDiagnosticInfo
from wheelwarden.verify.image_test.run import ImageTestResult


def is_passed(outcome: ImageTestResult | PodDiagnosticInfo) -> bool:
    """Whether the image started and all modules were imported."""
    return isinstance(outcome, ImageTestResult) and all(result.import_successful for result in outcome.results.values())


def record(
    configuration: CustomImageTestConfiguration, outcome: ImageTestResult | PodDiagnosticInfo
) -> Mapping[str, Any]:
    """The whole result as plain data."""
    return {
        "image": configuration.custom_image,
        "kind": "Notebook" if configuration.as_notebook else "Pod",
        "namespace": configuration.namespace,
        "name": configuration.notebook_name,
        "status": "Ready" if isinstance(outcome, ImageTestResult) else "Failed",
        "passed": is_passed(outcome),
        "ready_seconds": round(outcome.ready_seconds, 3) if isinstance(outcome, ImageTestResult) else None,
        "results": [asdict(result) for result in outcome.results.values()]
        if isinstance(outcome, ImageTestResult)
        else [],
        "diagnostics": None if isinstance(outcome, ImageTestResult) else asdict(outcome),
    }


def text(configuration: CustomImageTestConfiguration, outcome: ImageTestResult | PodDiagnosticInfo) -> Sequence[str]:
    """The lines for people: a table of the modules, or why the image did not start."""
    if not isinstance(outcome, ImageTestResult):
        return _failure_text(configuration, outcome)
    width = max(len("MODULE"), *(len(module) for module in outcome.results))
    lines = [f"{'MODULE':{width}}  {'RESULT':6}  {'SECONDS':>7}  ERROR"]
    for module, result in outcome.results.items():
        outcome_word = "ok" if result.import_successful else "failed"
        error = printable(result.error_message or "")
        lines.append(f"{module:{width}}  {outcome_word:6}  {result.execution_time_seconds:7.2f}  {error}".rstrip())
    failed = sum(not result.import_successful for result in outcome.results.values())
    count = len(outcome.results)
    ready = f"{configuration.custom_image}: ready after {outcome.ready_seconds:.1f} s"
    return [*lines, "", f"{ready}, {count - failed} of {count} modules imported."]


def _failure_text(configuration: CustomImageTestConfiguration, diagnosis: PodDiagnosticInfo) -> Sequence[str]:
    lines = [
        f"{configuration.custom_image}: did not start: {diagnosis.error_category}",
        f"  {diagnosis.cause}",
        f"  {diagnosis.remedy}.",
    ]
    if diagnosis.container_statuses:
        width = max(len("CONTAINER"), *(len(status.name) for status in diagnosis.container_statuses))
        lines += ["", f"{'CONTAINER':{width}}  READY  STATE       REASON"]
        for status in diagnosis.container_statuses:
            ready = "yes" if status.ready else "no"
            lines.append(f"{status.name:{width}}  {ready:5}  {status.state:10}  {status.state_reason or ''}".rstrip())
    if diagnosis.events:
        lines += ["", f"Events of pod {diagnosis.pod_name}:" if diagnosis.pod_name else "Events:"]
        lines += [f"  {event}" for event in diagnosis.events]
    for name, log in diagnosis.logs.items():
        if log:
            lines += ["", f"Log of container {name}:", *(f"  {line}" for line in log.splitlines())]
    return lines


def junit_xml(configuration: CustomImageTestConfiguration, outcome: ImageTestResult | PodDiagnosticInfo) -> str:
    """JUnit XML: a suite for the image, a case for its start, and one for each module, skipped if it did not start."""
    return junit_document(configuration.custom_image, "wheelwarden.test-image", _cases(configuration, outcome))


def _cases(
    configuration: CustomImageTestConfiguration, outcome: ImageTestResult | PodDiagnosticInfo
) -> Sequence[JunitCase]:
    if isinstance(outcome, PodDiagnosticInfo):
        lines = [outcome.cause, f"{outcome.remedy}.", "", *outcome.events]
        lines += [line for name, log in outcome.logs.items() if log for line in ("", f"log of {name}:", log)]
        failure = (str(outcome.error_category), outcome.cause, "\n".join(lines))
        modules = dict.fromkeys(configuration.packages_to_verify)
        skipped = [JunitCase(name=f"import {module}", skipped="the image did not start") for module in modules]
        return [JunitCase(name="start", failure=failure), *skipped]
    cases = [JunitCase(name="start", seconds=outcome.ready_seconds)]
    for module, result in outcome.results.items():
        failed, error = not result.import_successful, result.error_message or ""
        cases.append(
            JunitCase(
                name=f"import {module}",
                seconds=result.execution_time_seconds,
                failure=(error.partition(":")[0], error, result.stderr or error) if failed else None,
                output=result.pod_logs or None if failed else None,
            )
        )
    return cases

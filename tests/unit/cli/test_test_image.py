"""`wheelwarden test-image`: arguments and output. The tests of `ImageTest` cover the test itself."""

import asyncio
import json
import os
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wheelwarden.api.errors import Forbidden, Invalid, KubeError, NotFound, Unreachable, UnusableInput
from wheelwarden.cli.__main__ import main
from wheelwarden.verify import (
    ContainerStatus,
    CustomImageTestConfiguration,
    ImagePullError,
    NotebookResource,
    PackageVerificationResult,
    PodDiagnosticInfo,
    PodFailureCategory,
)
from wheelwarden.verify.image_test.run import ImageTestResult

Capture = pytest.CaptureFixture[str]
IMAGE = "registry.example.com/team/lab:2025.1"
DIAGNOSTICS = PodDiagnosticInfo(
    pod_name="lab-0",
    pod_phase="Pending",
    container_statuses=(
        ContainerStatus(name="lab", ready=False, state="waiting", state_reason="ImagePullBackOff"),
        ContainerStatus(name="kube-rbac-proxy", ready=True, state="running", state_reason=None),
    ),
    error_category=PodFailureCategory.IMAGE_PULL_ERROR,
    logs={"lab": "", "kube-rbac-proxy": "listening\non 8443"},
    events=("Warning Failed: no such manifest",),
    cause="container lab: ImagePullBackOff: no such manifest",
    remedy="Correct the tag",
)


def _result(configuration: CustomImageTestConfiguration) -> ImageTestResult:
    results = {
        module: PackageVerificationResult(
            package_name=module,
            import_successful=module != "missing",
            error_message="ModuleNotFoundError: No module named 'missing'\x1b" if module == "missing" else None,
            command_executed=f"python3 -c 'import {module}'",
            execution_time_seconds=1.2 if module == "missing" else 0.8,
            pod_logs="Traceback …\x00" if module == "missing" else None,
            stderr="Traceback <…>" if module == "missing" else "",
        )
        for module in configuration.packages_to_verify
    }
    return ImageTestResult(resource=NotebookResource.of(configuration), ready_seconds=12.34, results=results)


class Stage:
    """Stands for the cluster: records the calls and returns the outcome."""

    def __init__(self) -> None:
        self.calls: list[tuple[CustomImageTestConfiguration, dict[str, Any]]] = []
        self.outcome: Callable[[CustomImageTestConfiguration], ImageTestResult] = _result

    async def run_image_test(
        self, configuration: CustomImageTestConfiguration, *, report: Callable[[str], None], **options: Any
    ) -> ImageTestResult:
        self.calls.append((configuration, options))
        report("PodPending\x1b[2J")
        return self.outcome(configuration)

    def fail(self, error: Exception) -> None:
        def raising(_: CustomImageTestConfiguration) -> ImageTestResult:
            raise error

        self.outcome = raising


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr("wheelwarden.verify.image_test.run.run_image_test", made.run_image_test)
    return made


def test_people_see_a_table_on_stdout_and_progress_on_stderr(stage: Stage, capsys: Capture) -> None:
    assert main(["test-image", IMAGE, "--packages", "sdg_hub, missing"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "MODULE   RESULT  SECONDS  ERROR",
        "sdg_hub  ok         0.80",
        "missing  failed     1.20  ModuleNotFoundError: No module named 'missing'\\x1b",
        "",
        f"{IMAGE}: ready after 12.3 s, 1 of 2 modules imported.",
    ]
    assert err == "PodPending\\x1b[2J\n"


def test_an_image_whose_modules_are_all_imported_passes(stage: Stage) -> None:
    assert main(["test-image", IMAGE, "--packages", "sdg_hub"]) == 0
    ((configuration, options),) = stage.calls
    assert configuration.notebook_name.startswith("image-test-")
    assert configuration == CustomImageTestConfiguration(
        namespace="test-images",
        notebook_name=configuration.notebook_name,
        custom_image=IMAGE,
        packages_to_verify=("sdg_hub",),
        as_notebook=False,
    )
    assert options == {"kubeconfig": None, "context": None, "create_namespace": False, "keep": False}


def test_every_argument_reaches_the_configuration(stage: Stage) -> None:
    key = "notebooks.opendatahub.io/inject-auth"
    arguments = (
        "-n test-lab --notebook --name lab --timeout 900 --verify-timeout 300 --cpu 500m --memory 2Gi --user 1000 "
        f"--port 8080 --auth-annotation {key}=true --create-namespace --keep --kubeconfig k --context c"
    )
    command = ["--command", "sh -c 'exec serve --port 8080'"]
    assert main(["test-image", IMAGE, "--packages", "a,b.c,d:e", *arguments.split(), *command]) == 0
    assert stage.calls == [
        (
            CustomImageTestConfiguration(
                namespace="test-lab",
                notebook_name="lab",
                custom_image=IMAGE,
                packages_to_verify=("a", "b.c", "d:e"),
                timeout_pod_ready=900,
                timeout_command=300,
                auth_annotations={key: "true"},
                as_notebook=True,
                command=("sh", "-c", "exec serve --port 8080"),
                port=8080,
                cpu="500m",
                memory="2Gi",
                user=1000,
            ),
            {"kubeconfig": Path("k"), "context": "c", "create_namespace": True, "keep": True},
        )
    ]


@pytest.mark.parametrize(
    ("arguments", "port"),
    [([], None), (["--notebook"], 8888), (["--notebook", "--port", "0"], None), (["--port", "80"], 80)],
)
def test_a_notebook_must_listen_on_the_port_of_notebooks(arguments: list[str], port: int | None, stage: Stage) -> None:
    main(["test-image", IMAGE, "--packages", "a", *arguments])
    assert stage.calls[0][0].port == port


def test_all_invalid_arguments_are_reported_before_anything_is_created(stage: Stage, capsys: Capture) -> None:
    arguments = ["--timeout", "59", "--verify-timeout", "301", "-n", "prod", "--command", "'", "--auth-annotation", "x"]
    assert main(["test-image", "lab", "--packages", "1a,", *arguments]) == 2
    out, err = capsys.readouterr()
    subjects = [line.removeprefix("wheelwarden: ").split(":")[0] for line in err.splitlines()]
    assert subjects == [
        "--command",
        '--auth-annotation "x"',
        '--namespace "prod"',
        'IMAGE "lab"',
        'IMAGE "lab"',
        '--packages[0] "1a"',
        '--packages[1] ""',
        '--timeout "59"',
        '--verify-timeout "301"',
    ]
    assert (out, stage.calls) == ("", [])


def test_people_see_why_an_image_did_not_start(stage: Stage, capsys: Capture) -> None:
    stage.fail(ImagePullError(DIAGNOSTICS))
    assert main(["test-image", IMAGE, "--packages", "sdg_hub"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{IMAGE}: did not start: ImagePullBackOff",
        "  container lab: ImagePullBackOff: no such manifest",
        "  Correct the tag.",
        "",
        "CONTAINER        READY  STATE       REASON",
        "lab              no     waiting     ImagePullBackOff",
        "kube-rbac-proxy  yes    running",
        "",
        "Events of pod lab-0:",
        "  Warning Failed: no such manifest",
        "",
        "Log of container kube-rbac-proxy:",
        "  listening",
        "  on 8443",
    ]


def test_programs_get_everything(stage: Stage, capsys: Capture) -> None:
    main(["test-image", IMAGE, "--packages", "sdg_hub", "--name", "lab", "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in list(found)[:7]} == {
        "image": IMAGE, "kind": "Pod", "namespace": "test-images", "name": "lab", "status": "Ready", "passed": True,
        "ready_seconds": 12.34,
    }  # fmt: skip
    assert [result["package_name"] for result in found["results"]] == ["sdg_hub"]
    assert found["diagnostics"] is None
    stage.fail(ImagePullError(DIAGNOSTICS))
    main(["test-image", IMAGE, "--packages", "sdg_hub", "--notebook", "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["status"], found["passed"], found["results"]) == ("Notebook", "Failed", False, [])
    assert found["diagnostics"] == {
        "pod_name": "lab-0",
        "pod_phase": "Pending",
        "container_statuses": [
            {"name": "lab", "ready": False, "state": "waiting", "state_reason": "ImagePullBackOff"},
            {"name": "kube-rbac-proxy", "ready": True, "state": "running", "state_reason": None},
        ],
        "error_category": "ImagePullBackOff",
        "logs": {"lab": "", "kube-rbac-proxy": "listening\non 8443"},
        "events": ["Warning Failed: no such manifest"],
        "cause": "container lab: ImagePullBackOff: no such manifest",
        "remedy": "Correct the tag",
    }


def _suite(document: str) -> ET.Element:
    assert document.startswith("<?xml ")
    root = ET.fromstring(document)
    assert root.tag == "testsuites"
    (suite,) = root
    return suite


def test_junit_has_a_case_for_the_start_and_one_for_each_module(stage: Stage, capsys: Capture) -> None:
    assert main(["test-image", IMAGE, "--packages", "sdg_hub,missing", "-o", "junit"]) == 1
    suite = _suite(capsys.readouterr().out)
    assert suite.attrib == {
        "name": IMAGE, "tests": "3", "failures": "1", "errors": "0", "skipped": "0", "time": "14.340",
    }  # fmt: skip
    cases = [(case.get("classname"), case.get("name"), case.get("time"), len(case)) for case in suite]
    assert cases == [
        ("wheelwarden.test-image", "start", "12.340", 0),
        ("wheelwarden.test-image", "import sdg_hub", "0.800", 0),
        ("wheelwarden.test-image", "import missing", "1.200", 2),
    ]
    failure, log = suite[2]
    assert failure.attrib == {
        "type": "ModuleNotFoundError",
        "message": "ModuleNotFoundError: No module named 'missing'\\x1b",
    }
    assert (failure.text, log.tag, log.text) == ("Traceback <…>", "system-out", "Traceback …\\x00")


def test_junit_skips_the_modules_of_an_image_that_did_not_start(stage: Stage, capsys: Capture) -> None:
    stage.fail(ImagePullError(DIAGNOSTICS))
    assert main(["test-image", IMAGE, "--packages", "a,b", "-o", "junit"]) == 1
    suite = _suite(capsys.readouterr().out)
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "2"]
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["skipped"], ["skipped"]]
    failure = suite[0][0]
    assert failure.get("type") == "ImagePullBackOff"
    assert str(failure.text).splitlines()[:2] == [DIAGNOSTICS.cause, "Correct the tag."]
    assert "Warning Failed: no such manifest" in str(failure.text)


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (UnusableInput("namespace test-images: it does not exist."), "namespace test-images: it does not exist."),
        (
            Forbidden(403, "Forbidden", 'pods "lab" is forbidden: violates PodSecurity "restricted:latest"'),
            (
                'the image was not tested: pods "lab" is forbidden: violates PodSecurity "restricted:latest". '
                "Set a user other than root with --user, or use another namespace."
            ),
        ),
        (
            Forbidden(403, "Forbidden", "exceeded quota: small"),
            (
                "the image was not tested: exceeded quota: small. "
                "Set --cpu and --memory, or ask your admin to raise the quota."
            ),
        ),
        (
            Forbidden(403, "Forbidden", 'User "x" cannot create pods'),
            (
                'the image was not tested: User "x" cannot create pods. '
                "Ask your admin for permission to create, read, delete and exec into pods in this namespace."
            ),
        ),
        (
            Invalid(422, "Invalid", "spec: wrong"),
            (
                "the image was not tested: spec: wrong. "
                "The API server or one of its webhooks refused the object: change what the message names."
            ),
        ),
        (
            Unreachable(0, "Unreachable", "connection refused\x1b"),
            (
                "the image was not tested: connection refused\\x1b. "
                "Check whether `kubectl get pods` works, and try again."
            ),
        ),
        (
            NotFound(404, "NotFound", 'pods "lab" not found'),
            'the image was not tested: pods "lab" not found. Try again.',
        ),
    ],
)
def test_an_error_of_the_cluster_is_reported_in_one_line_with_a_remedy(
    error: KubeError | UnusableInput, complaint: str, stage: Stage, capsys: Capture
) -> None:
    stage.fail(error)
    assert main(["test-image", IMAGE, "--packages", "a"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[1:]) == ("", [f"wheelwarden: {complaint}"])


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_signal_cancels_the_test_which_can_clean_up(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    cleaned: list[str] = []

    async def hang(*_: object, **__: object) -> ImageTestResult:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)  # a second one changes nothing
            await asyncio.sleep(0.01)
            cleaned.append("all")
        raise AssertionError

    monkeypatch.setattr("wheelwarden.verify.image_test.run.run_image_test", hang)
    before = signal.getsignal(number)
    assert main(["test-image", IMAGE, "--packages", "a"]) == code
    assert (cleaned, signal.getsignal(number)) == (["all"], before)
    assert capsys.readouterr() == (
        "",
        f"interrupted; cleaning up\nstill cleaning up\nwheelwarden: interrupted by {number.name}\n",
    )

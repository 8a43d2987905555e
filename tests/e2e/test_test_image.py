"""`wheelwarden test-image` against a real kubelet: every kind of failure by a real pod, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.workspace import KubectlFailed, Object, Workspace, run_kubectl, wait_for
from wheelwarden.verify import CustomImageTestConfiguration, ImagePullError, PodFailureCategory
from wheelwarden.verify.image_run import run_image_test

LEFT = "notebooks,pods,statefulsets,services,persistentvolumeclaims"
SERVE = ("--command", "python3 -m http.server 8888")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that has ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def category(self) -> str:
        return str(self.record["diagnostics"]["error_category"])


@dataclass(frozen=True, kw_only=True)
class Bench(Workspace):
    """A namespace for tests of images."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, image: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "wheelwarden.cli", "test-image", image, "-n", self.namespace, *arguments]
        self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return self.processes[-1]

    def finish(self, process: subprocess.Popen[str]) -> Finished:
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err
        assert err.replace("\n", "").isprintable()
        return Finished(code=process.returncode, out=out, err=err)

    def run(self, image: str, *arguments: str) -> Finished:
        return self.finish(self.start(image, *arguments))

    def left(self) -> list[str]:
        return [f"{item['kind']}/{item['metadata']['name']}" for item in self.get(LEFT)["items"]]

    def wait_for_pod(self) -> Object:
        def look() -> Object | None:
            pods: list[Object] = self.get("pods")["items"]
            running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
            return running[0] if running else None

        return wait_for("a pod runs", look)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh namespace, in which nothing may be left in the end."""
    made = Bench(namespace=f"test-{uuid.uuid4().hex[:8]}", image=os.environ["PYTHON_IMAGE"])
    run_kubectl("create", "namespace", made.namespace)
    yield made
    try:
        # The pods are awaited by the command; the garbage collector takes a Notebook's other objects a moment later.
        wait_for("nothing is left", lambda: made.left() == [] or None, limit_seconds=30)
    finally:
        for process in made.processes:
            if process.returncode is None:  # the test failed
                process.kill()
                process.communicate()
        run_kubectl("delete", "namespace", made.namespace, "--wait=false")


def test_a_good_image_passes_and_people_see_a_table(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "json,os.path,json:loads", "--cpu", "100m", "--memory", "128Mi")
    assert (done.code, bench.left()) == (0, [])
    words = [line.split()[:2] for line in done.out.splitlines()[:4]]
    assert words == [["MODULE", "RESULT"], ["json", "ok"], ["os.path", "ok"], ["json:loads", "ok"]]
    assert done.out.splitlines()[-1].endswith("3 of 3 modules imported.")
    assert "Ready: pod image-test-" in done.err


def test_a_failing_import_fails_the_image_and_keeps_no_other_from_being_tried(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "not_in_this_image,json", "-o", "junit")
    assert (done.code, bench.left()) == (1, [])
    suite = ET.fromstring(done.out).find("testsuite")
    assert suite is not None
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (bench.image, "3", "1")
    failed = {str(case.get("name")): case.find("failure") for case in suite.iter("testcase")}
    assert list(failed) == ["start", "import not_in_this_image", "import json"]
    assert (failed["start"], failed["import json"]) == (None, None)
    failure = failed["import not_in_this_image"]
    assert failure is not None
    assert failure.get("type") == "ModuleNotFoundError"
    assert "Traceback" in str(failure.text)


def test_a_notebook_is_made_by_its_controller_with_the_annotations_of_its_sidecar(bench: Bench) -> None:
    annotations = {
        "notebooks.opendatahub.io/inject-auth": "true",
        "notebooks.opendatahub.io/auth-sidecar-memory-limit": "128Mi",
    }
    marks = [word for key, value in annotations.items() for word in ("--auth-annotation", f"{key}={value}")]
    process = bench.start(
        bench.image, "--notebook", "--packages", "json", "--name", "lab", *SERVE, *marks, "-o", "json"
    )
    pod = bench.wait_for_pod()
    assert bench.get("notebook", "lab")["metadata"]["annotations"] == annotations
    assert pod["metadata"]["labels"]["notebook-name"] == "lab"
    assert [volume for volume in pod["spec"]["volumes"] if not {"emptyDir", "projected"} & set(volume)] == []
    done = bench.finish(process)
    assert (done.code, done.record["kind"], done.record["status"]) == (0, "Notebook", "Ready")


def test_a_notebook_whose_pod_gets_a_generated_name_is_found(bench: Bench) -> None:
    name = "a-notebook-with-a-name-that-is-longer-than-a-statefulset-can-have"[:60]
    done = bench.run(bench.image, "--notebook", "--packages", "json", "--name", name, *SERVE, "-o", "json")
    # The stand-in finds no pod by another name than its own either, but the image is tested all the same.
    assert (done.code, done.record["passed"]) == (0, True)


@pytest.mark.parametrize("notebook", [False, True])
def test_an_image_that_is_not_there(bench: Bench, notebook: bool) -> None:
    kind = ["--notebook"] if notebook else []
    done = bench.run("localhost/not-there:1", "--packages", "json", "-o", "json", *kind)
    assert (done.code, done.category) == (1, PodFailureCategory.IMAGE_PULL_ERROR)
    diagnostics = done.record["diagnostics"]
    assert (diagnostics["pod_phase"], diagnostics["container_statuses"][0]["state"]) == ("Pending", "waiting")
    assert any("localhost/not-there:1" in event for event in diagnostics["events"])


def test_an_image_that_crashes_shows_its_last_words(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "json", "--command", "sh -c 'echo last words; exit 3'")
    assert (done.code, bench.left()) == (1, [])
    assert done.out.splitlines()[0] == f"{bench.image}: did not start: {PodFailureCategory.CRASH_LOOP}"
    assert "exit code 3" in done.out
    assert "  last words" in done.out.splitlines()


def test_a_command_that_the_image_does_not_have_is_a_crash(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "json", "--command", "no-such-program", "-o", "json")
    assert (done.code, done.category) == (1, PodFailureCategory.CRASH_LOOP)
    assert "no-such-program" in done.record["diagnostics"]["cause"]


def test_an_image_name_that_was_made_invalid_on_its_way(bench: Bench) -> None:
    process = bench.start(bench.image, "--packages", "json", "--port", "9", "--name", "renamed", "-o", "json")
    bench.wait_for_pod()
    bench.kubectl("set", "image", "pod/renamed", "renamed=localhost/Not-Valid:1")
    done = bench.finish(process)
    assert (done.code, done.category) == (1, PodFailureCategory.INVALID_IMAGE)


def test_what_never_gets_ready_and_what_finds_no_room_run_into_their_time(bench: Bench) -> None:
    unready = bench.start(bench.image, "--packages", "json", "--port", "9", "--timeout", "60", "-o", "json")
    scarce = bench.start(bench.image, "--packages", "json", "--cpu", "1000", "--timeout", "60", "-o", "json")
    first, second = bench.finish(unready), bench.finish(scarce)
    assert (first.code, first.category) == (1, PodFailureCategory.TIMEOUT)
    assert "runs and is not ready" in first.record["diagnostics"]["cause"]
    assert (second.code, second.category) == (1, PodFailureCategory.RESOURCE_CONSTRAINTS)
    assert "Insufficient cpu" in second.record["diagnostics"]["cause"]


def test_a_restricted_namespace_is_enough_for_an_image_with_a_user(bench: Bench) -> None:
    run_kubectl("label", "namespace", bench.namespace, "pod-security.kubernetes.io/enforce=restricted")
    refused = bench.run(bench.image, "--packages", "json", "-o", "json")
    assert (refused.code, refused.category) == (1, PodFailureCategory.UNKNOWN)
    assert "root" in refused.record["diagnostics"]["cause"]
    done = bench.run(bench.image, "--packages", "json", "--user", "1000")
    assert (done.code, bench.left()) == (0, [])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
def test_an_interrupt_leaves_nothing_behind(bench: Bench, number: signal.Signals, code: int) -> None:
    process = bench.start(bench.image, "--packages", "json", "--port", "9")
    bench.wait_for_pod()
    process.send_signal(number)
    done = bench.finish(process)
    assert (done.code, done.out, bench.left()) == (code, "", [])


def test_a_namespace_is_made_only_when_told_and_goes_again(bench: Bench) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    refused = bench.run(bench.image, "-n", name, "--packages", "json")
    assert (refused.code, refused.out) == (2, "")
    assert "--create-namespace" in refused.err
    done = bench.run(bench.image, "-n", name, "--packages", "json", "--create-namespace")
    assert done.code == 0
    with pytest.raises(KubectlFailed, match="not found"):
        run_kubectl("get", "namespace", name)


def test_a_pod_of_somebody_else_with_that_name_is_left_alone(bench: Bench) -> None:
    main = {"name": "main", "image": bench.image, "command": ["sleep", "infinity"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    bench.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "taken"}, "spec": spec})
    done = bench.run(bench.image, "--packages", "json", "--name", "taken")
    assert (done.code, bench.left()) == (2, ["Pod/taken"])
    assert f"Pod {bench.namespace}/taken: there is one of that name already" in done.err
    bench.kubectl("delete", "pod", "taken")


def test_what_is_kept_stays_until_it_is_deleted_as_told(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "json", "--name", "kept", "--keep")
    assert (done.code, bench.left()) == (0, ["Pod/kept"])
    told = done.err.splitlines()[-1]
    assert told == f"kept; to remove it: kubectl -n {bench.namespace} delete pod kept"
    run_kubectl(*told.partition("kubectl ")[2].split())


async def test_python_programs_get_the_failure_with_its_diagnostics(bench: Bench) -> None:
    configuration = CustomImageTestConfiguration(
        namespace=bench.namespace,
        notebook_name="lab",
        custom_image="localhost/not-there:1",
        packages_to_verify=["json"],
    )
    with pytest.raises(ImagePullError) as raised:
        await run_image_test(configuration)
    assert raised.value.diagnostics.error_category is PodFailureCategory.IMAGE_PULL_ERROR
    assert raised.value.diagnostics.pod_name == "lab-0"

"""`wheelwarden test-image` against a real kubelet: every kind of failure by a real pod, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.workspace import KubectlFailed, Object, Workspace, run_kubectl, wait_for
from wheelwarden.verify import CustomImageTestConfiguration, ImagePullError, PodFailureCategory
from wheelwarden.verify.image_test.run import run_image_test

LEFT = "notebooks,pods,statefulsets,services,persistentvolumeclaims"
JSON = ("--packages", "json", "-o", "json")
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

    def wait_for_pod(self, name: str = "") -> Object:
        def look() -> Object | None:
            for pod in self.get("pods")["items"]:
                if name in ("", pod["metadata"]["name"]) and (pod.get("status") or {}).get("phase") == "Running":
                    found: Object = pod
                    return found
            return None

        return wait_for(f"pod {name} runs", look)


@contextmanager
def fresh_bench() -> Iterator[Bench]:
    """A namespace of its own, in which nothing may be left in the end."""
    made = Bench(namespace=f"test-{uuid.uuid4().hex[:8]}", image=os.environ["PYTHON_IMAGE"])
    run_kubectl("create", "namespace", made.namespace)
    try:
        yield made
        # The pods are awaited by the command; the garbage collector takes a Notebook's other objects a moment later.
        wait_for("nothing is left", lambda: made.left() == [] or None, limit_seconds=30)
    finally:
        for process in made.processes:
            if process.returncode is None:  # the test failed
                process.kill()
                process.communicate()
        run_kubectl("delete", "namespace", made.namespace, "--wait=false")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with fresh_bench() as made:
        yield made


@pytest.fixture(scope="module")
def failed() -> Iterator[Mapping[str, Finished]]:
    """Images that do not start, each for its reason; all at once, since most of their time is waiting."""
    with fresh_bench() as bench:
        image = bench.image
        runs = {
            "missing": bench.start("localhost/not-there:1", *JSON),
            "missing notebook": bench.start("localhost/not-there:1", "--notebook", *JSON),
            "crashing": bench.start(image, "--command", "sh -c 'echo last words; exit 3'", *JSON),
            "no such program": bench.start(image, "--command", "no-such-program", *JSON),
            "greedy": bench.start(image, "--cpu", "1000", "--timeout", "60", *JSON),
            "never ready": bench.start(image, "--port", "9", "--timeout", "60", *JSON),
            "renamed": bench.start(image, "--port", "9", "--name", "renamed", *JSON),
        }
        bench.wait_for_pod("renamed")
        # As a webhook that rewrites images may do it.
        bench.kubectl("set", "image", "pod/renamed", "renamed=localhost/Not-Valid:1")
        yield {name: bench.finish(process) for name, process in runs.items()}


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
    # Kept, so that there is something to look at however fast the command is.
    done = bench.run(
        bench.image, "--notebook", "--packages", "json", "--name", "lab", *SERVE, *marks, "-o", "json", "--keep"
    )
    assert (done.code, done.record["kind"], done.record["status"]) == (0, "Notebook", "Ready")
    pod = bench.get("pod", "lab-0")
    assert bench.get("notebook", "lab")["metadata"]["annotations"] == annotations
    assert pod["metadata"]["labels"]["notebook-name"] == "lab"
    assert [volume for volume in pod["spec"]["volumes"] if not {"emptyDir", "projected"} & set(volume)] == []
    bench.kubectl("delete", "notebook", "lab")


def test_a_notebook_whose_pod_gets_a_generated_name_is_found(bench: Bench) -> None:
    name = "a-notebook-with-a-name-that-is-longer-than-a-statefulset-can-have"[:60]
    done = bench.run(bench.image, "--notebook", "--packages", "json", "--name", name, *SERVE, "-o", "json")
    assert (done.code, done.record["passed"]) == (0, True)


@pytest.mark.parametrize(
    ("name", "category", "cause"),
    [
        ("missing", PodFailureCategory.IMAGE_PULL_ERROR, "localhost/not-there:1"),
        ("missing notebook", PodFailureCategory.IMAGE_PULL_ERROR, "localhost/not-there:1"),
        ("renamed", PodFailureCategory.INVALID_IMAGE, "localhost/Not-Valid:1"),
        ("crashing", PodFailureCategory.CRASH_LOOP, "exit code 3"),
        ("no such program", PodFailureCategory.CRASH_LOOP, "no-such-program"),
        ("greedy", PodFailureCategory.RESOURCE_CONSTRAINTS, "Insufficient cpu"),
        ("never ready", PodFailureCategory.TIMEOUT, "is running but not ready"),
    ],
)
def test_every_kind_of_failure_is_told_apart(
    failed: Mapping[str, Finished], name: str, category: PodFailureCategory, cause: str
) -> None:
    done = failed[name]
    assert (done.code, done.category) == (1, category)
    assert cause in done.record["diagnostics"]["cause"]


def test_what_helps_to_understand_a_failure_is_there(failed: Mapping[str, Finished]) -> None:
    missing = failed["missing notebook"].record["diagnostics"]
    assert (missing["pod_phase"], missing["container_statuses"][0]["state"]) == ("Pending", "waiting")
    assert any("Failed to pull image" in event for event in missing["events"])
    assert not any("Reissued" in event for event in missing["events"])
    assert list(failed["crashing"].record["diagnostics"]["logs"].values()) == ["last words"]
    assert any("Readiness probe failed" in event for event in failed["never ready"].record["diagnostics"]["events"])


def test_a_restricted_namespace_is_enough_for_an_image_with_a_user(bench: Bench) -> None:
    run_kubectl("label", "namespace", bench.namespace, "pod-security.kubernetes.io/enforce=restricted")
    refused = bench.run(bench.image, "--packages", "json", "-o", "json")
    assert (refused.code, refused.category) == (1, PodFailureCategory.UNKNOWN)
    assert "root" in refused.record["diagnostics"]["cause"]
    done = bench.run(bench.image, "--packages", "json", "--user", "1000")
    assert (done.code, bench.left()) == (0, [])


SLOW = (
    *("--packages", "slow_to_import,json", "--command"),
    "sh -c 'echo \"import time; time.sleep(60)\" > /usr/lib/python3/dist-packages/slow_to_import.py; exec sleep infinity'",
)


def test_an_import_that_overruns_is_a_result_and_keeps_no_other_from_being_tried(bench: Bench) -> None:
    done = bench.run(bench.image, *SLOW, "--verify-timeout", "10", "-o", "json")
    slow, other = done.record["results"]
    assert (done.code, slow["import_successful"], other["import_successful"]) == (1, False, True)
    assert "10 s" in slow["error_message"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
@pytest.mark.parametrize("kind", [(), ("--notebook",)], ids=["pod", "notebook"])
def test_an_interrupt_leaves_nothing_behind(
    bench: Bench, kind: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    process = bench.start(bench.image, "--packages", "json", "--port", "9", *kind)
    bench.wait_for_pod()
    process.send_signal(number)
    done = bench.finish(process)
    assert (done.code, done.out) == (code, "")
    assert bench.get("pods,notebooks")["items"] == []


def test_an_interrupt_in_the_middle_of_an_import_leaves_nothing_behind(bench: Bench) -> None:
    process = bench.start(bench.image, *SLOW)
    assert process.stderr is not None
    while "importing" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = bench.finish(process)
    assert (done.code, done.out, bench.left()) == (130, "", [])


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
    assert f"Pod {bench.namespace}/taken: this name is taken already" in done.err
    bench.kubectl("delete", "pod", "taken")


def test_what_is_kept_stays_until_it_is_deleted_as_told(bench: Bench) -> None:
    done = bench.run(bench.image, "--packages", "json", "--name", "kept", "--keep")
    assert (done.code, bench.left()) == (0, ["Pod/kept"])
    told = done.err.splitlines()[-1]
    assert told == f"kept; delete it with: kubectl -n {bench.namespace} delete pod kept"
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

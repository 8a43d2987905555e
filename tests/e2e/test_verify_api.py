"""The package verification contract against a real kubelet."""

import asyncio

import pytest

from tests.e2e.workspace import Workspace, wait_for
from wheelwarden import PackageVerificationResult, verify_package_import
from wheelwarden.errors import ContainerNotFoundError, PodNotReadyError, ResourceNotFoundError
from wheelwarden.verify import PodReference, verify_package_import_async


@pytest.fixture
def pod(workspace: Workspace) -> PodReference:
    """A running pod that has logged two lines."""
    main = {
        "name": "main",
        "image": workspace.image,
        "command": ["sh", "-c", "echo one; echo two; exec sleep infinity"],
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "some-pod"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/some-pod", "--timeout=120s")
    return PodReference(workspace.namespace, "some-pod")


def test_each_module_gets_its_result_and_a_failure_its_logs(pod: PodReference) -> None:
    results = verify_package_import(pod, "main", ["json", "missing_pkg", "os:getcwd", "os:nothing"], timeout=30)
    assert set(results) == {"json", "missing_pkg", "os:getcwd", "os:nothing"}
    assert {name: result.import_successful for name, result in results.items()} == {
        "json": True,
        "missing_pkg": False,
        "os:getcwd": True,
        "os:nothing": False,
    }
    good, bad = results["json"], results["missing_pkg"]
    assert isinstance(good, PackageVerificationResult)
    assert (good.error_message, good.pod_logs) == (None, None)
    assert bad.error_message == "ModuleNotFoundError: No module named 'missing_pkg'"
    assert "Traceback" in bad.stderr
    assert bad.pod_logs == "one\ntwo\n"
    assert all(0 <= result.execution_time_seconds < 30 for result in results.values())


def test_without_diagnostics_no_logs_are_fetched(pod: PodReference) -> None:
    results = verify_package_import(pod, "main", ["missing_pkg"], collect_diagnostics=False)
    assert results["missing_pkg"].pod_logs is None


def test_what_cannot_be_verified_is_named(pod: PodReference, workspace: Workspace) -> None:
    with pytest.raises(ContainerNotFoundError, match="it has main"):
        verify_package_import(pod, "other", ["json"])
    with pytest.raises(ResourceNotFoundError, match="does not exist"):
        verify_package_import(PodReference(pod.namespace, "nobody"), "main", ["json"])
    broken = {"name": "main", "image": "localhost/not-there:1", "imagePullPolicy": "Never"}
    workspace.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stuck"}, "spec": {"containers": [broken]}}
    )
    wait_for("the pod is pending", lambda: workspace.get("pod", "stuck")["status"].get("phase"))
    with pytest.raises(PodNotReadyError, match="Pending"):
        verify_package_import(PodReference(pod.namespace, "stuck"), "main", ["json"])


def test_the_contracts_guarantees_hold_on_a_real_kubelet(workspace: Workspace) -> None:
    """Keys, times, streams, the last hundred lines, and nothing left running of an import that was ended."""
    code = (
        "mkdir /tmp/code; echo 'import time; time.sleep(600)' > /tmp/code/ww_hangs.py; "
        'printf \'import sys\\nprint("to stdout")\\nprint("to stderr", file=sys.stderr)\\n1/0\\n\' > /tmp/code/ww_talks.py; '
        "for number in $(seq 150); do echo line $number; done; exec sleep infinity"
    )
    main = {
        "name": "main",
        "image": workspace.image,
        "command": ["sh", "-c", code],
        "env": [{"name": "PYTHONPATH", "value": "/tmp/code"}],
    }
    proxy = {"name": "proxy", "image": workspace.image, "command": ["sleep", "infinity"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [proxy, main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "two"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/two", "--timeout=120s")

    asked = ["ww_hangs", "json", "ww_talks", "json", "os.path:join"]
    results = verify_package_import(PodReference(workspace.namespace, "two"), "main", asked, timeout=3)
    assert set(results) == set(asked)
    assert all(0 <= result.execution_time_seconds < 3 for result in results.values())
    assert {name for name, result in results.items() if result.import_successful} == {"json", "os.path:join"}
    assert all((result.error_message is None) == result.import_successful for result in results.values())
    hangs, talks = results["ww_hangs"], results["ww_talks"]
    assert hangs.error_message == "the import did not end within 3 s"
    assert (talks.stdout, talks.error_message) == ("to stdout\n", "ZeroDivisionError: division by zero")
    assert talks.stderr.startswith("to stderr\nTraceback")
    assert talks.pod_logs == "".join(f"line {number}\n" for number in range(51, 151))
    count = "import glob; print(sum(b'ww_hangs' in open(p,'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline')) - 1)"
    assert workspace.python("two", count, container="main") == "0"


def test_the_asynchronous_twin_does_the_same(pod: PodReference) -> None:
    results = asyncio.run(verify_package_import_async(pod, "main", ["json", "missing_pkg"]))
    assert [result.import_successful for result in results.values()] == [True, False]


def test_a_container_without_python_gives_failed_results_and_no_exception(workspace: Workspace) -> None:
    main = {
        "name": "main",
        "image": workspace.image,
        "command": ["sh", "-c", "rm -f /usr/bin/python3*; exec sleep infinity"],
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/bare", "--timeout=120s")
    [result] = verify_package_import(PodReference(workspace.namespace, "bare"), "main", ["json"]).values()
    assert not result.import_successful
    assert "executable file not found" in str(result.error_message)


def test_an_import_that_needs_too_much_memory_does_not_cost_the_container_its_life(workspace: Workspace) -> None:
    code = (
        "import time\\nkept = []\\n"
        "for _ in range(100):\\n    kept.append(bytearray(b'x') * (4 << 20))\\n    time.sleep(0.1)\\n"
    )
    command = f"mkdir /tmp/code; printf '%b' \"{code}\" > /tmp/code/ww_greedy.py; exec sleep infinity"
    main = {
        "name": "main",
        "image": workspace.image,
        "command": ["sh", "-c", command],
        "env": [{"name": "PYTHONPATH", "value": "/tmp/code"}],
        "resources": {"limits": {"memory": "160Mi"}},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "small"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/small", "--timeout=120s")
    results = verify_package_import(PodReference(workspace.namespace, "small"), "main", ["ww_greedy", "json"])
    assert results["ww_greedy"].error_message == (
        "it needs more memory than the container has left of its limit of 160 MiB"
    )
    assert results["json"].import_successful
    [status] = workspace.get("pod", "small")["status"]["containerStatuses"]
    assert (status["restartCount"], status["ready"]) == (0, True)

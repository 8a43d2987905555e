"""The package verification contract against a real kubelet."""

import asyncio
import concurrent.futures
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.workspace import Workspace, wait_for
from wheelwarden import PackageVerificationResult, verify_package_import
from wheelwarden.api.errors import ContainerNotFoundError, PodNotReadyError, ResourceNotFoundError
from wheelwarden.verify import PodReference, verify_package_import_async

MODULES = {
    "ww_hangs": "import time\nopen('/tmp/hanging', 'w').close()\ntime.sleep(600)",
    "ww_late": "import time\ntime.sleep(6)",
    "ww_fails": "import sys\nprint('\\x1b[2Jto stdout')\n1/0",
    **{
        f"ww_loud_{n}": "import sys\nfor out in (sys.stdout, sys.stderr): out.write(chr(27) * 60_000)"
        for n in range(20)
    },
}
LEFT = "import glob; print(sum(b'import ww_' in open(p,'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline')) - 1)"


@pytest.fixture
def coded(workspace: Workspace) -> PodReference:
    """A running pod with modules of ours, which has logged a line."""
    write = (
        f"import json\nfor name, code in json.loads({json.dumps(json.dumps(MODULES))}).items():\n"
        "    open('/tmp/code/' + name + '.py', 'w').write(code)"
    )
    main = {
        "name": "main",
        "image": workspace.image,
        "command": [
            "sh",
            "-c",
            'mkdir /tmp/code && python3 -c "$CODE" && printf "one\\033[2J\\n" && exec sleep infinity',
        ],
        "env": [{"name": "PYTHONPATH", "value": "/tmp/code"}, {"name": "CODE", "value": write}],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/code/ww_loud_19.py"]}, "periodSeconds": 1},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "coded"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/coded", "--timeout=120s")
    return PodReference(workspace.namespace, "coded")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A way to the API server that can be cut, and the kubeconfig that leads over it."""
    words = ["kubectl", "proxy", "--port=0", "--disable-filter=true"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().rpartition(" ")[2].strip()
        kubeconfig = tmp_path / "kubeconfig"
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{address}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }  # fmt: skip
        kubeconfig.write_text(json.dumps(config))
        yield process, kubeconfig
        process.kill()


def wait_until_it_hangs(workspace: Workspace) -> None:
    look = "import os; print(os.path.exists('/tmp/hanging'))"
    wait_for("the import hangs", lambda: workspace.python("coded", look, container="main") == "True" or None)


def wait_until_nothing_is_left(workspace: Workspace) -> None:
    wait_for("nothing is left running", lambda: workspace.python("coded", LEFT, container="main") == "0" or None)


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
    assert workspace.python("two", LEFT, container="main") == "0"


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


def test_a_connection_that_is_cut_costs_only_what_was_not_done_yet(
    coded: PodReference, workspace: Workspace, proxy: tuple["subprocess.Popen[str]", Path]
) -> None:
    process, kubeconfig = proxy
    cut = PodReference(coded.namespace, coded.name, kubeconfig=kubeconfig)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        running = executor.submit(verify_package_import, cut, "main", ["json", "ww_fails", "ww_hangs"])
        wait_until_it_hangs(workspace)
        process.kill()
        results = running.result()
    assert {name: (one.import_successful, one.reason) for name, one in results.items()} == {
        "json": (True, None),
        "ww_fails": (False, "ImportFailed"),
        "ww_hangs": (False, "ProbeFailed"),
    }
    assert str(results["ww_hangs"].error_message).startswith("the import was not completed: exec in container main")
    assert str(results["ww_fails"].pod_logs).startswith("the logs could not be fetched: ")
    wait_until_nothing_is_left(workspace)


def test_an_output_of_megabytes_costs_no_result(coded: PodReference) -> None:
    loud = [name for name in MODULES if name.startswith("ww_loud")]
    results = verify_package_import(coded, "main", [*loud, "missing_pkg"])
    assert {name for name, one in results.items() if one.import_successful} == set(loud)
    kept = "[the first 44000 bytes are left out]\n" + "\x1b" * 16_000
    assert {(results[name].stdout, results[name].stderr) for name in loud} == {(kept, kept)}
    assert results["missing_pkg"].reason == "ModuleNotFound"


class KubectlPod:
    """A pod object of another library, as it were."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @property
    def exists(self) -> object:
        return self.workspace.get("pods", "-l", "nothing=here")["items"] or None

    def execute(self, *, container: str, command: list[str]) -> str:
        words = ["kubectl", "-n", self.workspace.namespace, "exec", "coded", "-c", container, "--", *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout


class PresentPod(KubectlPod):
    exists = True


def test_over_another_librarys_object_the_deadlines_hold_too(coded: PodReference, workspace: Workspace) -> None:
    with pytest.raises(ResourceNotFoundError, match="the pod does not exist"):
        verify_package_import(KubectlPod(workspace), "main", ["json"])
    results = verify_package_import(PresentPod(workspace), "main", ["ww_late", "json:loads", "missing_pkg"], timeout=4)
    assert {name: (one.import_successful, one.reason) for name, one in results.items()} == {
        "ww_late": (False, "ProbeTimeout"),
        "json:loads": (True, None),
        "missing_pkg": (False, "ModuleNotFound"),
    }
    assert results["json:loads"].command_executed == "python3 -c 'import json; json.loads'"
    wait_until_nothing_is_left(workspace)


def command(pod: PodReference, *modules: str) -> list[str]:
    return [sys.executable, "-m", "wheelwarden.cli", "verify", "-n", pod.namespace, "-c", "main", pod.name, *modules]


def test_the_command_shows_why_and_nothing_that_moves_a_cursor(coded: PodReference) -> None:
    done = subprocess.run(command(coded, "json", "ww_fails"), capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines[:2])) == (1, "", 2)
    assert lines[2:] == [
        "",
        "ww_fails: stderr:",
        "  Traceback (most recent call last):",
        '    File "<string>", line 1, in <module>',
        '    File "/tmp/code/ww_fails.py", line 3, in <module>',
        "      1/0",
        "      ~^~",
        "  ZeroDivisionError: division by zero",
        "",
        "ww_fails: stdout:",
        "  \\x1b[2Jto stdout",
        "",
        "Log of container main:",
        "  one\\x1b[2J",
    ]


def test_ctrl_c_leaves_nothing_running(coded: PodReference, workspace: Workspace) -> None:
    process = subprocess.Popen(
        command(coded, "ww_hangs"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip
    wait_until_it_hangs(workspace)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (
        130,
        "",
        "interrupted; cleaning up\nwheelwarden: interrupted by SIGINT\n",
    )
    wait_until_nothing_is_left(workspace)

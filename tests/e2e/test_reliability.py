"""The reliability profile on a real node: in a pod made like the one named, which is not touched and not left behind."""

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from tests.cluster.foreign_pythons import MUSL_IMAGE
from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, Workspace, packages, wait_for

SMALL = ("--profile", "reliability", "--workers", "3", "--each", "5", "--rounds", "2", "--budget-ms", "5000")


VERIFY = (sys.executable, "-m", "wheelwarden.cli", "verify")


def argv(workspace: Workspace, *words: str) -> Sequence[str]:
    return [*VERIFY, "-n", workspace.namespace, "-c", "kaspr", *words]


def verify(workspace: Workspace, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv(workspace, *words), capture_output=True, text=True, check=False, timeout=300)


def start(words: Sequence[str]) -> "subprocess.Popen[str]":
    """As a terminal has it: a background shell's children ignore SIGINT."""
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )  # fmt: skip


def pods(workspace: Workspace) -> list[str]:
    return [pod["metadata"]["name"] for pod in workspace.get("pods")["items"]]


@pytest.fixture(scope="module")
def orders(request: pytest.FixtureRequest) -> Workspace:
    """A running app with healthy and faulty packages."""
    indexes: Indexes = request.getfixturevalue("indexes")
    make = request.getfixturevalue("make_module_workspace")
    workspace: Workspace = make()
    asked = packages(indexes.open_url, "six==1.17.0", "ww-circular", "ww-slow")
    workspace.apply(workspace.app("orders", asked))
    workspace.wait_condition("kasprapp", "orders", IMPORTS_VERIFIED, "False")
    return workspace


def test_a_healthy_module_holds_in_a_pod_that_is_gone_afterwards(orders: Workspace) -> None:
    before = orders.get("pod", "orders-app-0")
    one_class = ("json:JSONDecodeError", "json.decoder:JSONDecodeError")
    done = verify(orders, "orders-app-0", "six", *one_class, *SMALL, "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a copy of orders-app-0" in done.stderr
    found = json.loads(done.stdout)
    checks = {(one["check"], one["subject"]): one for one in found["checks"]}
    assert found["holds"] is True
    assert {check for check, _ in checks} == {
        "paths", "fresh", "time", "cycles", "order", "identity", "processes", "threads", "load", "stress", "memory",
        "readiness",
    }  # fmt: skip
    assert checks["paths", "six"]["measured"]["places"][0]["file"] == "/packages/site-packages/six.py"
    assert checks["stress", "six"]["measured"]["done"] == 30
    assert pods(orders) == ["orders-app-0"]
    after = orders.get("pod", "orders-app-0")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]


def test_faults_are_named_with_what_to_do_in_place_too(orders: Workspace) -> None:
    module = "ww_circular"
    done = verify(orders, "orders-app-0", module, "nowhere", *SMALL, "--in-place")
    assert done.returncode == 1, done.stderr
    assert f"cycles     {module}" in done.stdout
    assert " → " in done.stdout
    assert "cycles: Break the cycle" in done.stdout
    [missing] = [line for line in done.stdout.splitlines() if " nowhere " in line]
    assert missing.split(maxsplit=2) == [
        "paths", "nowhere", "failed: it is not on sys.path; its other checks were skipped"
    ]  # fmt: skip
    assert "paths: Install the package that provides it" in done.stdout
    assert pods(orders) == ["orders-app-0"]


def test_the_mended_packages_hold(orders: Workspace, indexes: Indexes) -> None:
    orders.apply(orders.app("mended", packages(indexes.open_url, "ww-circular==0.9", "ww-slow==0.9")))
    orders.wait_condition("kasprapp", "mended", IMPORTS_VERIFIED, "True")
    done = verify(orders, "mended-app-0", "ww_circular", "ww_slow", *SMALL[:-1], "1000", "--in-place")
    assert done.returncode == 0, done.stdout + done.stderr
    orders.kubectl("delete", "kasprapp", "mended", "--wait=false")
    wait_for("its pod is gone", lambda: True if pods(orders) == ["orders-app-0"] else None)


def test_two_classes_of_one_name_are_a_fault(orders: Workspace) -> None:
    done = verify(orders, "orders-app-0", "queue:Queue", "asyncio:Queue", *SMALL, "--in-place")
    assert done.returncode == 1, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("identity ")]
    assert [line.split("failed: ")[-1] for line in told] == [
        "queue:Queue and asyncio:Queue are two different classes",
        "asyncio:Queue and queue:Queue are two different classes",
    ]
    assert "identity: There are two copies of it" in done.stdout


def test_ci_gets_a_case_for_each_check(orders: Workspace) -> None:
    done = verify(orders, "orders-app-0", "six", "ww_slow", *SMALL[:-1], "1000", "-o", "junit")
    assert done.returncode == 1, done.stderr
    root = ET.fromstring(done.stdout)
    cases = {str(case.get("name")): case for case in root.iter("testcase")}
    assert cases["fresh six"].find("failure") is None
    assert cases["time ww_slow"].find("failure") is not None


def test_a_musl_image_is_installed_for_proven_and_tried(orders: Workspace, indexes: Indexes) -> None:
    images = [
        name for node in orders.get("nodes")["items"] for one in node["status"]["images"] for name in one["names"]
    ]
    if MUSL_IMAGE not in images:
        pytest.skip(f"no musl image was tried: this machine could not make {MUSL_IMAGE}")
    container = {"image": MUSL_IMAGE, "command": ["python3", "-c", "import signal; signal.pause()"]}
    orders.apply(
        orders.notebook("alpine", packages(indexes.open_url, "six==1.17.0", "ww-twoface"), container=container)
    )
    orders.wait_condition("notebook", "alpine", IMPORTS_VERIFIED, "True")
    [pod] = [pod for pod in orders.get("pods")["items"] if pod["metadata"]["name"].startswith("alpine")]
    words = ["-c", "alpine", pod["metadata"]["name"], "six", "json:dumps"]
    done = subprocess.run(
        [*VERIFY, "-n", orders.namespace, *words, *SMALL, "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["holds"] is True
    [paths] = [one for one in found["checks"] if (one["check"], one["subject"]) == ("paths", "six")]
    assert paths["measured"]["places"][0]["file"] == "/packages/site-packages/six.py"
    orders.kubectl("delete", "notebook", "alpine", "--wait=false")
    wait_for("its pod is gone", lambda: True if pods(orders) == ["orders-app-0"] else None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(orders: Workspace, number: int) -> None:
    words = argv(orders, "orders-app-0", "six", "--profile", "reliability", "--each", "100000")
    process = start(words)
    assert process.stderr is not None
    for line in process.stderr:
        if "this takes a while" in line:
            break
    assert len(pods(orders)) == 2
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == 128 + number
    wait_for("it is gone", lambda: True if pods(orders) == ["orders-app-0"] else None)


RUNNING = (
    "import glob; paths = glob.glob('/proc/[1-9]*/cmdline'); "
    "print(sum(b'payload.reliability' in open(path, 'rb').read() for path in paths))"
)


def test_an_interrupt_ends_what_runs_in_the_pod_itself(orders: Workspace) -> None:
    def running() -> int:
        return int(orders.python("orders-app-0", RUNNING)) - 1  # the one that counts has the word in its command too

    process = start(argv(orders, "orders-app-0", "six", "--profile", "reliability", "--each", "100000", "--in-place"))
    wait_for("it runs", lambda: running() or None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    wait_for("it is gone", lambda: True if running() == 0 else None, limit_seconds=30)


def test_an_option_of_the_profile_needs_the_profile(orders: Workspace) -> None:
    done = verify(orders, "orders-app-0", "six", "--in-place", "--call")
    complaint = "wheelwarden: --in-place, --call: only with --profile reliability; add it, or leave this out\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", complaint)


def test_what_cannot_be_tried_is_said(orders: Workspace) -> None:
    assert verify(orders, "nobody", "six", *SMALL).returncode == 2
    done = verify(orders, "orders-app-0", "six", "--profile", "reliability", "--workers", "0")
    assert (done.returncode, done.stderr) == (2, "wheelwarden: --workers 0: it must be more than 0\n")

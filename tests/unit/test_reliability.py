"""The reliability profile: what its answer means, how it is shown, and the pod that it is tried in."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from wheelwarden import names
from wheelwarden.cli import reliability_report
from wheelwarden.cli.__main__ import main
from wheelwarden.verify.reliability import CHECKS, Check, Profile, Reliability, parse_reliability, readiness
from wheelwarden.verify.results import UnreadableAnswer
from wheelwarden.verify.throwaway import build_throwaway

Object = dict[str, Any]


def check(name: str, subject: str = "six", *, error: str | None = None, **measured: Any) -> Check:
    return Check(check=name, subject=subject, ok=error is None, error=error, measured=measured)


FOUND = Reliability(
    python="3.11.2",
    checks=(
        check("paths", places=[{"entry": "/p", "file": "/p/six.py"}, {"entry": "/q", "file": "/q/six.py"}]),
        check("time", seconds=0.0123),
        check("fresh", seconds=0.0123, peakBytes=10 << 20),
        check("cycles", cycles=["a → b → a"]),
        check("stress", done=500, failures=0),
        check("memory", growthBytes=2048, loadedAgain=True),
        check("memory", "numpy", growthBytes=0, loadedAgain=False),
        check("memory", "odd", growthBytes=None, cause="ImportError: no"),
        check("threads", error="RuntimeError: half done"),
    ),
)


def test_people_see_a_figure_or_a_fault_for_each_check_and_then_what_to_do() -> None:
    assert reliability_report.text(FOUND) == [
        "CHECK      SUBJECT  RESULT",
        "paths      six      ok, /p/six.py, hides /q/six.py",
        "time       six      ok, 12 ms",
        "fresh      six      ok, 12 ms, 10 MiB at most",
        "cycles     six      ok, harmless cycles: a → b → a",
        "stress     six      ok, 500 imports, 0 failed",
        "memory     six      ok, +2 KiB",
        "memory     numpy    ok, +0 KiB, compiled: loaded once",
        "memory     odd      not measured: ImportError: no",
        "threads    six      failed: RuntimeError: half done",
        "",
        "8 of 9 checks hold in Python 3.11.2.",
        (
            "threads: Something is set up during the import that other threads see half done. Import the module before threads "
            "start."
        ),
    ]


def test_programs_get_everything_and_ci_a_case_for_each() -> None:
    document = json.loads(json.dumps(reliability_report.record(FOUND)))
    assert (document["holds"], len(document["checks"])) == (False, 9)
    assert document["checks"][-1]["remedy"].startswith("Something is set up")
    root = ET.fromstring(reliability_report.junit(FOUND, "team/pod"))
    assert root.get("failures") == "1"
    [failure] = root.iter("failure")
    assert failure.get("message") == "RuntimeError: half done"


@pytest.mark.parametrize("stdout", ["", "nonsense", "[]", "{}", '{"version": 2}', '{"version": 1, "checks": [3]}'])
def test_an_answer_that_is_none_is_said_to_be_none(stdout: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_reliability(stdout)


def test_the_payload_is_asked_for_every_check_once_and_each_module_once() -> None:
    request = Profile(modules=("six", "json", "six")).as_request("/packages/site-packages")
    assert request["modules"] == ["six", "json"]
    assert {*request["checks"], "time"} == set(CHECKS)  # the time comes with the fresh imports
    assert (request["workers"], request["each"], request["repeats"]) == (10, 50, 100)
    assert (request["budgetMs"], request["growthLimitBytes"]) == (100, 1 << 20)


def pod(uid: str = "u", ready: str = "True", since: str = "t0", restarts: int = 0) -> Object:
    return {
        "metadata": {"name": "orders-app-0", "uid": uid},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}],
            "containerStatuses": [{"name": "kaspr", "restartCount": restarts}],
        },
    }


@pytest.mark.parametrize(
    ("after", "ok"),
    [
        (pod(), True),
        (pod(since="t1"), False),
        (pod(ready="False", since="t1"), False),
        (pod(restarts=1), False),
        (pod(uid="another", ready="False"), True),
        (None, True),
    ],
    ids=["as before", "lost and back", "lost", "restarted", "made anew", "gone"],
)
def test_the_live_pod_has_to_stay_ready(after: Object | None, ok: bool) -> None:
    assert readiness(pod(), after).ok is ok


def test_a_pod_that_was_not_ready_before_loses_nothing() -> None:
    assert readiness(pod(ready="False"), pod(ready="True", since="t1")).ok


LIVE: Object = {
    "metadata": {
        "name": "orders-app-0",
        "namespace": "shop",
        "labels": {"app": "orders"},
        "annotations": {names.POD_HASH_ANNOTATION: "h"},
        "ownerReferences": [{"kind": "StatefulSet"}],
    },
    "spec": {
        "nodeName": "node-1",
        "hostname": "orders-app-0",
        "priority": 7,
        "restartPolicy": "Always",
        "serviceAccountName": "orders",
        "initContainers": [
            {"name": "migrate", "image": "i"},
            {"name": "install-packages", "image": "i", "volumeMounts": [{"name": "wheelwarden-store", "mountPath": "/s"}]},
        ],
        "containers": [
            {"name": "proxy", "image": "p"},
            {
                "name": "kaspr", "image": "i", "command": ["serve"], "args": ["--now"], "ports": [{"containerPort": 1}],
                "livenessProbe": {}, "readinessProbe": {}, "env": [{"name": "A", "value": "1"}],
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "scratch", "mountPath": "/scratch"},
                    {"name": "kube-api-access-x", "mountPath": "/var/run/secrets"},
                ],
            },
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "kube-api-access-x", "projected": {}},
        ],
    },
}  # fmt: skip


def test_the_throwaway_pod_has_the_files_and_nobodys_business() -> None:
    made = build_throwaway(LIVE, "kaspr", "orders-app-0-try-1", "run-1", live_seconds=900)
    assert made["metadata"] == {
        "name": "orders-app-0-try-1", "namespace": "shop", "labels": {names.IMAGE_TEST_LABEL: "run-1"}
    }  # fmt: skip
    spec = made["spec"]
    [main] = spec["containers"]
    assert main["command"][:2] == ["python3", "-I"]
    assert set(main) == {"name", "image", "command", "env", "volumeMounts"}
    assert main["volumeMounts"] == [
        {"name": "data", "mountPath": "/data", "readOnly": True},
        {"name": "scratch", "mountPath": "/scratch"},
    ]
    assert [one["name"] for one in spec["initContainers"]] == ["install-packages"]
    assert [volume["name"] for volume in spec["volumes"]] == ["data", "scratch"]
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"], spec["nodeName"]) == ("Never", 900, "node-1")
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostname", "priority"} & set(spec)
    assert LIVE["spec"]["containers"][1]["args"] == ["--now"]


def test_another_owners_installer_does_not_run_again() -> None:
    foreign = {**LIVE, "metadata": {**LIVE["metadata"], "annotations": {}}}
    assert build_throwaway(foreign, "kaspr", "n", "r", live_seconds=1)["spec"]["initContainers"] == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a b", "--profile", "reliability"], "Invalid package name: a b"),
        (["six", "--profile", "reliability", "--each", "0"], "--each 0: it must be more than 0"),
        (["six", "--profile", "reliability", "--budget-ms", "-1"], "--budget-ms -1: it must be more than 0"),
        (["six", "-o", "junit"], "-o junit is for --profile reliability; `wheelwarden test-image` has it too"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_made(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "pod-0", "-c", "main", *words]) == 2
    assert capsys.readouterr().err == f"wheelwarden: {complaint}\n"

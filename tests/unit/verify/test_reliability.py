"""The reliability profile: its answer, its report, its options, and the throwaway pod."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from wheelwarden.api import names
from wheelwarden.cli import reliability_report
from wheelwarden.cli.__main__ import main
from wheelwarden.verify.reliability import CHECKS, Check, Profile, Reliability, parse_reliability, readiness
from wheelwarden.verify.results import UnreadableAnswer
from wheelwarden.verify.throwaway import build_throwaway

Object = dict[str, Any]


def check(name: str, subject: str = "six", *, error: str | None = None, **measured: Any) -> Check:
    return Check(check=name, subject=subject, ok=error is None, error=error, measured=measured)


def place(entry: str, file: str | None, namespace: bool = False) -> Object:
    return {"entry": entry, "file": file, "namespace": namespace}


def failure(worker: int, error: str, stderr: str, *, code: int = 1, iteration: int | None = None) -> Object:
    return {"round": 1, "worker": worker, "iteration": iteration, "exitCode": code, "stderr": stderr, "error": error}


FOUND = Reliability(
    python="3.11.2",
    checks=(
        check("paths", places=[place("/p", "/p/six.py"), place("/q", "/q/six.py")]),
        check("paths", "space", places=[place("/p", "/p/space", True), place("/q", "/q/space", True)]),
        check("paths", "os.path", places=[place("its own package", None)]),
        check("paths", "gone", error="it is not on sys.path", advice="missing", notTried=["fresh"]),
        check("time", seconds=0.0123),
        check("fresh", seconds=0.0123, peakBytes=10 << 20),
        check("cycles", cycles=["a → b → a"]),
        check("stress", done=500, failures=0, loadedAgain=True),
        check("stress", "numpy", done=500, failures=1, loadedAgain=False),
        check("order", "7 more pairs", cause="only 20 pairs are tried"),
        check("memory", growthBytes=2048, loadedAgain=True),
        check("memory", "numpy", growthBytes=0, loadedAgain=False),
        check("memory", "odd", growthBytes=None, cause="ImportError: no"),
        check("threads", error="RuntimeError: half done"),
        check("processes", "odd", error="3 of 5 interpreters failed", firstFailures=[
            failure(2, "ValueError: one", "Traceback\n  in odd\x1b[2J\nValueError: one"),
            failure(2, "ValueError: two", "Traceback\n  in odd\x1b[2J\nValueError: one", iteration=7),
            failure(4, "it did not end within 60 s", "", code=-9),
        ]),
    ),
)  # fmt: skip


def test_people_see_a_measurement_or_an_error_for_each_check_and_then_the_remedies() -> None:
    assert reliability_report.text(FOUND) == [
        "CHECK      SUBJECT       RESULT",
        "paths      six           ok, /p/six.py, hides /q/six.py",
        "paths      space         ok, /p/space",
        "paths      os.path       ok, its own package",
        "paths      gone          failed: it is not on sys.path; its other checks were skipped",
        "time       six           ok, 12 ms",
        "fresh      six           ok, 12 ms, peak memory 10 MiB",
        "cycles     six           ok, harmless cycles: a → b → a",
        "stress     six           ok, 500 imports, 0 failed",
        "stress     numpy         ok, 500 imports, 1 failed, compiled module: loaded once per interpreter",
        "order      7 more pairs  not tried: only 20 pairs are tried",
        "memory     six           ok, +2 KiB",
        "memory     numpy         ok, +0 KiB, compiled module: loaded once",
        "memory     odd           not measured: ImportError: no",
        "threads    six           failed: RuntimeError: half done",
        "processes  odd           failed: 3 of 5 interpreters failed",
        "",
        "processes odd, first failures:",
        "  round 1, worker 2, exit code 1: ValueError: one",
        "    | Traceback",
        "    |   in odd\\x1b[2J",
        "    | ValueError: one",
        "  round 1, worker 2, import 7, exit code 1: ValueError: two",
        "  round 1, worker 4, exit code -9: it did not end within 60 s",
        "",
        "12 of 15 checks passed in Python 3.11.2.",
        (
            "paths: Install the package that provides it, or correct its name. For code outside the search path use --path."
        ),
        (
            "threads: The import sets up something that other threads see half initialized. Import the module before threads "
            "start."
        ),
        (
            "processes: The import changes something that processes share: a file, a port or a lock. Make that change outside "
            "the import."
        ),
    ]


def test_the_record_has_everything_and_junit_has_a_case_for_each_check() -> None:
    document = json.loads(json.dumps(reliability_report.record(FOUND)))
    assert (document["holds"], len(document["checks"])) == (False, 15)
    assert document["checks"][-2]["remedy"].startswith("The import sets up something")
    root = ET.fromstring(reliability_report.junit(FOUND, "team/pod"))
    assert [failure.get("message") for failure in root.iter("failure")] == [
        "it is not on sys.path",
        "RuntimeError: half done",
        "3 of 5 interpreters failed",
    ]


def answer(**changes: Any) -> str:
    """The output of the payload, with one check that has these fields."""
    one = {"check": "fresh", "subject": "six", "ok": True, "error": None, "measured": {}, **changes}
    return json.dumps({"version": 1, "python": "3.11.2\x1b[2J", "checks": [one]})


@pytest.mark.parametrize(
    "stdout",
    [
        "", "nonsense", "[]", "{}", '{"version": 2}', '{"version": 1, "checks": [3]}',
        answer(ok="yes"), answer(error=3), answer(measured=[]), answer(check=None), answer(subject=7),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_unreadable(stdout: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_reliability(stdout)


@pytest.mark.parametrize(
    ("name", "ok", "measured"),
    [
        ("time", True, {"seconds": "fast"}), ("fresh", True, {"seconds": 1.0, "peakBytes": "all"}), ("stress", True, {}),
        ("memory", True, {"growthBytes": "a lot"}), ("cycles", True, {}), ("paths", True, {"places": ["here"]}),
        ("paths", True, {"places": {"first": 1}}), ("stress", False, {"firstFailures": [{"round": 1}]}),
        ("processes", False, {"firstFailures": 7}), ("\x1b[31mfresh", False, {}),
    ],
)  # fmt: skip
def test_whatever_a_pod_answers_is_shown_without_control_characters(
    name: str, ok: bool, measured: dict[str, Any]
) -> None:
    error = None if ok else "\x1b[31mno"
    found = parse_reliability(answer(check=name, subject="six\x1b]0;mine\x07", ok=ok, error=error, measured=measured))
    shown = "".join([*reliability_report.text(found), reliability_report.junit(found, "a pod")])
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert "six\\x1b]0;mine\\x07" in shown
    assert found.holds is ok


def test_the_request_has_every_check_once_and_each_module_once() -> None:
    request = Profile(modules=("six", "json", "six")).as_request("/packages/site-packages")
    assert request["modules"] == ["six", "json"]
    assert {*request["checks"], "time", "identity"} == set(CHECKS)  # which come with fresh and order
    assert (request["workers"], request["each"], request["repeats"]) == (10, 50, 100)
    assert (request["rounds"], request["totalSeconds"]) == (3, 1800)
    assert Profile(modules=("six",), rounds=5).as_request("")["totalSeconds"] == 3000
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
    ids=["as before", "lost and back", "lost", "restarted", "recreated", "gone"],
)
def test_the_live_pod_must_stay_ready(after: Object | None, ok: bool) -> None:
    assert readiness(pod(), after).ok is ok


def test_a_pod_that_was_not_ready_before_cannot_fail_the_check() -> None:
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


def test_the_throwaway_pod_has_the_files_of_the_original_and_is_no_part_of_the_workload() -> None:
    throwaway = build_throwaway(LIVE, "kaspr", "orders-app-0-try-1", "run-1", lifetime_seconds=900)
    assert throwaway["metadata"] == {
        "name": "orders-app-0-try-1", "namespace": "shop", "labels": {names.IMAGE_TEST_LABEL: "run-1"}
    }  # fmt: skip
    spec = throwaway["spec"]
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
    assert build_throwaway(foreign, "kaspr", "n", "r", lifetime_seconds=1)["spec"]["initContainers"] == []


ONLY = "only with --profile reliability; add it, or leave this out"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a b", "--profile", "reliability"], "Invalid package name: a b"),
        (["six", "--profile", "reliability", "--each", "0"], "--each 0: it must be more than 0"),
        (["six", "--profile", "reliability", "--budget-ms", "-1"], "--budget-ms -1: it must be more than 0"),
        (["six", "--profile", "reliability", "--rounds", "0"], "--rounds 0: it must be more than 0"),
        (["six", "--profile", "reliability", "--growth-limit", "0"], "--growth-limit 0: it must be more than 0"),
        (["six", "--in-place"], f"--in-place: {ONLY}"),
        (["six", "--call", "--in-place"], f"--in-place, --call: {ONLY}"),
        (["six", "--path", "/srv", "--path", "/opt"], f"--path: {ONLY}"),
        (["six", "--budget-ms", "100", "--growth-limit", "1024"], f"--budget-ms, --growth-limit: {ONLY}"),
        (["six", "--workers", "10", "--each", "50", "--rounds", "3"], f"--workers, --each, --rounds: {ONLY}"),
        (["six", "-o", "junit"], "-o junit: only with --profile reliability; `wheelwarden test-image` also has it"),
    ],
)
def test_invalid_options_are_reported_before_anything_is_created(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "pod-0", "-c", "main", *words]) == 2
    assert capsys.readouterr().err == f"wheelwarden: {complaint}\n"


@pytest.mark.parametrize(
    ("words", "profile", "in_place"),
    [
        ([], Profile(modules=("six",)), False),
        (
            [
                *("--in-place", "--call", "--path", "/a", "--path", "/b", "--budget-ms", "7.5", "--growth-limit", "2"),
                *("--workers", "3", "--each", "4", "--rounds", "5", "--timeout", "30"),
            ],
            Profile(
                modules=("six",), path=("/a", "/b"), call=True, budget_ms=7.5, growth_limit_bytes=2048, workers=3, each=4,
                rounds=5, deadline_seconds=30,
            ),
            True,
        ),
    ],
    ids=["left out", "all"],
)  # fmt: skip
def test_the_options_reach_the_profile(
    words: list[str],
    profile: Profile,
    in_place: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Any] = []

    async def run(pod: Any, container: str, profile: Profile, *, in_place: bool, report: Any) -> Reliability:
        asked.append((pod.name, container, profile, in_place))
        return FOUND

    monkeypatch.setattr("wheelwarden.verify.reliability_run.run_reliability", run)
    assert main(["verify", "pod-0", "-n", "shop", "-c", "main", "six", "--profile", "reliability", *words]) == 1
    assert asked == [("pod-0", "main", profile, in_place)]
    assert capsys.readouterr().out.splitlines() == reliability_report.text(FOUND)

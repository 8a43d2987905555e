"""Probing by exec: which Python, what an answer or a refusal becomes, never two probes in one pod."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from controller.plan import probe_digest
from controller.probe import ExecProber, Places
from controller.state import Key, PodState, ProbeOutcome
from tests.cases import request_of
from wheelwarden.api.errors import Invalid, NotFound, Unreachable
from wheelwarden.api.request import Request
from wheelwarden.kube import ExecResult
from wheelwarden.verify.results import ProbeReport, Usage

KEY = Key("KasprApp", "team", "demo")
ANSWER = {
    "version": 1,
    "python": "3.11.2",
    "executable": "/usr/bin/python",
    "derived": True,
    "count": 0,
    "usage": None,
}
REPORT = ProbeReport(python="3.11.2", executable="/usr/bin/python", derived=True, results=())
NO_PYTHON3 = Invalid(500, "InternalError", 'exec: "python3": executable file not found in $PATH')
POD = PodState(
    name="demo-app-0", uid="u0", deleting=False, ready=True, node="node-1", main="kaspr", crashing=False, restarts=0,
    injected=True, hash="h", probed="", foreign_installer=False, taken_over=False, search_path="/packages/site-packages",
    installer=None, conditions=(), claims=frozenset(),
)  # fmt: skip


def request() -> Request:
    return request_of(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "demo", "namespace": "team", "uid": "u"},
            "spec": {"pythonPackages": {"packages": ["six"]}},
        }
    )


class Pods:
    """Answers each exec with the next of `answers`; `ran` holds the programs."""

    def __init__(self, *answers: ExecResult | Exception) -> None:
        self.answers = list(answers)
        self.ran: list[tuple[str, str, str, str]] = []

    async def exec(self, pod: str, namespace: str, container: str, argv: Sequence[str], **_: object) -> ExecResult:
        self.ran.append((namespace, pod, container, argv[0]))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ended(stdout: str = "", stderr: str = "", exit_code: int = 0) -> ExecResult:
    return ExecResult(stdout=stdout, stderr=stderr, exit_code=exit_code)


async def probe(*answers: ExecResult | Exception, starts: int = 1) -> tuple[ProbeOutcome | None, list[str]]:
    """The outcome, and the programs that were run for it."""
    pods = Pods(*answers)
    cluster: Any = pods
    done: asyncio.Queue[Key] = asyncio.Queue()
    prober = ExecProber(cluster, Places(total=2, per_node=2, per_namespace=2), done.put_nowait)
    for _ in range(starts):
        prober.start(KEY, request(), POD)
    assert await done.get() == KEY
    assert done.empty()
    assert {place[:3] for place in pods.ran} == {("team", "demo-app-0", "kaspr")}
    outcome = prober.outcome(POD)
    prober.forget(POD.uid)
    assert prober.outcome(POD) is None
    await prober.close()
    return outcome, [place[3] for place in pods.ran]


DIGEST = probe_digest(request(), POD)
GOOD = ended("noise of an import\n" + json.dumps(ANSWER))


async def test_an_answer_becomes_a_report() -> None:
    assert await probe(GOOD) == (ProbeOutcome(digest=DIGEST, report=REPORT), ["python3"])


async def test_a_pod_is_not_probed_twice_at_once() -> None:
    assert await probe(GOOD, starts=3) == (ProbeOutcome(digest=DIGEST, report=REPORT), ["python3"])


async def test_an_image_without_python3_is_tried_with_python() -> None:
    assert await probe(NO_PYTHON3, GOOD) == (ProbeOutcome(digest=DIGEST, report=REPORT), ["python3", "python"])


async def test_an_image_without_any_python_says_so() -> None:
    outcome, ran = await probe(NO_PYTHON3, NO_PYTHON3)
    assert ran == ["python3", "python"]
    assert outcome is not None
    assert (outcome.report, "executable file not found" in outcome.failure) == (None, True)


async def test_every_probe_that_ends_has_an_outcome_so_that_the_next_comes_after_a_pause() -> None:
    lost = ProbeOutcome(digest=DIGEST, failure="the pod or its container was not found.")
    assert await probe(NotFound(404, "NotFound", "no such container")) == (lost, ["python3"])
    fault = ProbeOutcome(digest=DIGEST, failure="the controller failed to run the probe; see its log.")
    assert await probe(RuntimeError("a fault of ours")) == (fault, ["python3"])


async def test_a_number_without_end_makes_an_answer_unreadable() -> None:
    usage = {"totalBytes": float("inf"), "usedBytes": 1, "availableBytes": 1}
    outcome, _ = await probe(ended(json.dumps({**ANSWER, "usage": usage}).replace("Infinity", "1e999")))
    assert outcome is not None
    assert outcome.report is None
    assert outcome.failure.startswith("the probe's answer cannot be read (")


async def test_what_cannot_run_tells_why() -> None:
    refused = Unreachable(0, "Unreachable", "the kubelet does not answer")
    assert await probe(refused) == (ProbeOutcome(digest=DIGEST, failure="the kubelet does not answer."), ["python3"])
    killed = ended(stderr="Traceback\nMemoryError", exit_code=137)
    failure = "python3 ended with exit code 137: MemoryError."
    assert await probe(killed) == (ProbeOutcome(digest=DIGEST, failure=failure), ["python3"])
    assert await probe(ended()) == (ProbeOutcome(digest=DIGEST, failure="the probe printed nothing."), ["python3"])


async def most_at_once(places: Places, *where: tuple[str, str]) -> int:
    """How many of these (node, namespace) had a place at the same time, at most."""
    now, most = 0, 0

    async def probe(node: str, namespace: str) -> None:
        nonlocal now, most
        async with places.taken(node, namespace):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(probe(node, namespace) for node, namespace in where))
    return most


@pytest.mark.parametrize(
    ("where", "most"),
    [
        ([("node-1", f"team-{index}") for index in range(9)], 2),
        ([(f"node-{index}", "team") for index in range(9)], 3),
        ([(f"node-{index}", f"team-{index}") for index in range(9)], 5),
    ],
    ids=["on one node", "in one namespace", "in all"],
)
async def test_probes_are_limited_on_each_node_in_each_namespace_and_in_all(
    where: list[tuple[str, str]], most: int
) -> None:
    places = Places(total=5, per_node=2, per_namespace=3)
    assert await most_at_once(places, *where) == most
    assert not places._nodes
    assert not places._namespaces


async def test_a_look_tells_how_full_the_volume_is_and_leaves_no_outcome() -> None:
    usage = {"totalBytes": 10, "usedBytes": 4, "availableBytes": 6}
    pods = Pods(ended(json.dumps({**ANSWER, "usage": usage})))
    cluster: Any = pods
    done: asyncio.Queue[Key] = asyncio.Queue()
    prober = ExecProber(cluster, Places(total=1, per_node=1, per_namespace=1), done.put_nowait)
    prober.look(KEY, POD)
    assert await done.get() == KEY
    assert prober.outcome(POD) is None
    assert prober.usage(KEY) == Usage(total_bytes=10, used_bytes=4, available_bytes=6)
    prober.forget_object(KEY)
    assert prober.usage(KEY) is None


async def test_what_a_probe_sees_of_the_nodes_disk_is_not_kept() -> None:
    usage = {"totalBytes": 10, "usedBytes": 4, "availableBytes": 6}
    cluster: Any = Pods(ended(json.dumps({**ANSWER, "usage": usage})))
    done: asyncio.Queue[Key] = asyncio.Queue()
    prober = ExecProber(cluster, Places(total=1, per_node=1, per_namespace=1), done.put_nowait)
    on_empty_dir = replace(POD, own_size=False)
    prober.start(KEY, request(), on_empty_dir)
    await done.get()
    assert prober.outcome(on_empty_dir) is not None
    assert prober.usage(KEY) is None


async def test_why_a_probe_could_not_run_is_printable() -> None:
    killed = ended(stderr="\x1b[31mred", exit_code=1)
    failure = r"python3 ended with exit code 1: \x1b[31mred."
    assert await probe(killed) == (ProbeOutcome(digest=DIGEST, failure=failure), ["python3"])


async def test_outcomes_are_forgotten_with_their_pod_and_with_their_object() -> None:
    done: asyncio.Queue[Key] = asyncio.Queue()
    cluster: Any = Pods(GOOD, GOOD, GOOD)
    prober = ExecProber(cluster, Places(total=1, per_node=1, per_namespace=1), done.put_nowait)
    other, stays = replace(POD, uid="u1"), replace(POD, uid="u2")
    theirs = Key("KasprApp", "team", "theirs")
    for key, pod in ((KEY, POD), (KEY, other), (theirs, stays)):
        prober.start(key, request(), pod)
        await done.get()
    kept = []
    prober.forget_others(KEY, {"u1"})
    kept.append([prober.outcome(pod) is not None for pod in (POD, other, stays)])
    prober.forget_object(KEY)
    kept.append([prober.outcome(pod) is not None for pod in (POD, other, stays)])
    assert kept == [[False, True, True], [False, False, True]]

"""Whole rounds of the controller beside an operator: who installs, what waits for a claim, and what is about to be replaced."""

from collections.abc import Callable

import pytest
from prometheus_client import generate_latest

from controller.state import ProbeOutcome
from tests.unit.controller.reconcile_world import APP, GOOD, World
from tests.unit.fake_cluster import Object
from wheelwarden.api import names
from wheelwarden.kube import CLAIMS, EVENTS, KASPRAPPS, PODS
from wheelwarden.verify.results import Distribution, ProbeReport

CLAIM = "demo-app-python-packages"


async def test_a_running_app_is_taken_over_one_pod_at_a_time_without_a_pause(world: World) -> None:
    app = world.app(["six"], replicas=2)
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "managed"}
    world.stateful(installer=True, hash_="theirs")
    world.foreign_pod("demo-app-0")
    world.foreign_pod("demo-app-1")
    assert [write for write in await world.writes_of(APP, 1) if write[0] == "evict"] == [
        ("evict", "pods", "demo-app-1")
    ]
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "RolloutPending")
    assert world.cluster.events == [("KasprApp", "PodReplaced")]  # no warning
    await world.settle(APP)  # the next only when the first is there, ready and proven
    assert ("pods", "demo-app-0") in world.cluster.objects
    taken = world.pod("demo-app-1", uid="new")
    taken["spec"]["initContainers"][0]["volumeMounts"] = [{"name": "packages", "mountPath": names.STORE_PATH}]
    leaving = world.cluster.objects["pods", "demo-app-0"]
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")  # one that goes counts until it is gone
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "RolloutPending")
    del leaving["metadata"]["deletionTimestamp"]
    await world.settle(APP)
    assert ("pods", "demo-app-0") not in world.cluster.objects
    assert world.seconds == 0


async def test_the_takeover_of_a_running_app_stops_where_the_webhook_is_away(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "managed"}
    world.stateful(installer=True, hash_="theirs")
    world.foreign_pod()
    assert ("evict", "pods", "demo-app-0") in await world.writes_of(APP)
    world.foreign_pod(uid="second")
    assert ("evict", "pods", "demo-app-0") not in await world.writes_of(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("False", "NotInjected")
    world.seconds += 61
    assert ("evict", "pods", "demo-app-0") in await world.writes_of(APP)


async def test_a_slow_operator_is_waited_for_and_nothing_is_made_or_written_as_the_owner(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    for seconds in (0, 10, 600):
        world.seconds = seconds
        await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.cluster.claims() == []
    assert set(app["status"]) == {"conditions"}
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "WaitingForPod")
    assert world.again[:5] == [0.5, 1, 2, 4, 8]  # with backoff
    world.stateful(installer=True, claim=CLAIM)
    await world.settle(APP)
    assert world.cluster.claims() == []
    world.stateful()
    await world.settle(APP)
    assert world.cluster.claims() == [CLAIM]


@pytest.mark.parametrize("mounted", [True, False])
async def test_evidence_that_comes_late_takes_back_what_was_made_as_the_owner(world: World, *, mounted: bool) -> None:
    world.app(["six"])
    world.stateful()
    world.pod(claim=CLAIM)
    await world.settle(APP)
    assert world.cluster.claims() == [CLAIM]
    assert "pythonPackages" in (await world.cluster.get(KASPRAPPS, "demo"))["status"]
    world.cluster.events.clear()
    world.foreign_pod(uid="theirs")
    world.stateful(installer=True, hash_="theirs", claim=CLAIM if mounted else "")
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert "pythonPackages" not in app["status"]
    assert world.condition(app, names.PACKAGES_INSTALLED)[1] == "Observed"
    assert world.cluster.claims() == ([CLAIM] if mounted else [])
    if mounted:  # it is the operator's from now on
        claim = await world.cluster.get(CLAIMS, CLAIM)
        assert claim["metadata"]["labels"] == {
            "kaspr.io/component": "python-packages", "kaspr.io/app": "demo", "kaspr.io/cluster": "demo",
        }  # fmt: skip
        assert claim["metadata"]["annotations"] == {}
    assert world.cluster.events.count(("KasprApp", "InstallOwnerCorrected")) == 1
    assert await world.writes_of(APP) == []


async def test_an_edit_is_not_judged_before_the_operator_has_rolled_the_pods(world: World) -> None:
    def edit(packages: list[str], generation: int) -> None:
        app = world.cluster.objects["kasprapps", "demo"]
        app["spec"]["pythonPackages"]["packages"] = packages
        app["metadata"]["generation"] = generation

    def report(versions: list[str]) -> Callable[[str], ProbeOutcome]:
        found = tuple((version, True) for version in versions)
        report = ProbeReport(
            python="3.11.2", executable="python3", derived=True, results=GOOD.results,
            distributions=(Distribution(name="six", found=found),),
        )  # fmt: skip
        return lambda digest: ProbeOutcome(digest=digest, report=report)

    world.app(["six==1.16.0"])
    edit(["six==1.16.0"], 1)
    world.cluster.objects["kasprapps", "demo"]["status"] = {"observedGeneration": 1}
    world.stateful(installer=True, hash_="old", generation=1)
    world.foreign_pod(hash_="old")
    world.prober.answer = report(["1.16.0"])
    await world.settle(APP)
    pod = await world.cluster.get(PODS, "demo-app-0")
    assert world.condition(pod, names.PACKAGES_INSTALLED) == ("True", "Observed")
    world.cluster.events.clear()
    world.prober.started.clear()

    edit(["six==1.17.0"], 2)
    await world.settle(APP)
    pod = await world.cluster.get(PODS, "demo-app-0")
    assert world.condition(pod, names.PACKAGES_INSTALLED) == ("Unknown", "RolloutPending")
    world.stateful(installer=True, hash_="new", generation=2)
    world.cluster.objects["kasprapps", "demo"]["status"]["observedGeneration"] = 2
    await world.settle(APP)
    pod = await world.cluster.get(PODS, "demo-app-0")
    assert world.condition(pod, names.PACKAGES_INSTALLED) == ("Unknown", "RolloutPending")
    assert (world.prober.started, world.cluster.events) == ([], [])

    world.foreign_pod(hash_="new", uid="second")
    await world.settle(APP)
    pod = await world.cluster.get(PODS, "demo-app-0")
    assert world.condition(pod, names.PACKAGES_INSTALLED) == ("False", "VersionMismatch")  # now it is


async def test_a_pod_that_missed_its_claim_is_recreated_once(world: World) -> None:
    world.app(["six"])
    world.stateful()
    world.pod(claim=CLAIM)
    await world.settle(APP)
    claim = world.cluster.objects["persistentvolumeclaims", CLAIM]
    claim["status"] = {"phase": "Bound"}
    pod = world.pod(claim=CLAIM, uid="missed")
    pod["metadata"]["creationTimestamp"] = claim["metadata"]["creationTimestamp"]
    pod["status"] = {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "message": f'persistentvolumeclaim "{CLAIM}" is being deleted'}
        ],
    }
    world.seconds = 30 * 86400 + 36000 + 30
    assert ("delete", "pods", "demo-app-0") not in await world.writes_of(APP)
    assert 30 in world.again
    world.seconds += 30
    assert ("delete", "pods", "demo-app-0") in await world.writes_of(APP)
    assert ("KasprApp", "PodReplaced") in world.cluster.events


async def test_a_claim_that_the_operator_does_not_use_is_not_missed(world: World) -> None:
    world.app(["six"])  # no `cache`: Kaspr takes that for no volume
    world.stateful(installer=True)
    world.foreign_pod()
    await world.settle(APP)
    assert 'wheelwarden_claim_troubles{trouble="pending"} 1.0' not in generate_latest(world.metrics.registry).decode()


@pytest.mark.parametrize("observed", [True, False])
async def test_a_pod_that_waits_for_its_claim_is_told_the_claims_state(world: World, *, observed: bool) -> None:
    app = world.app(["six"])
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "256Mi"}}}
    if observed:
        app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "observe"}
        metadata = {"name": CLAIM, "namespace": "team", "uid": "c", "creationTimestamp": "2026-01-31T10:00:00Z"}
        world.cluster.put(CLAIMS, {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
    world.stateful(installer=observed, claim=CLAIM if observed else "")
    pod = world.pod(claim=CLAIM) if not observed else world.foreign_pod()
    pod["spec"]["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": CLAIM}}]
    pod["status"] = {"phase": "Pending"}
    await world.settle(APP)
    found = (await world.cluster.get(PODS, "demo-app-0"))["status"]["conditions"]
    pending = f"The claim {CLAIM} is Pending since 2026-01-31T10:00:00Z"
    assert (found[0]["status"], found[0]["reason"], found[0]["message"]) == (
        "Unknown",
        "ClaimPending",
        f"{pending}: no provisioner has answered. See `kubectl get storageclass`.",
    )
    event: Object = {"metadata": {"name": "e"}, "reason": "ProvisioningFailed", "message": "no such class"}
    world.cluster.put(EVENTS, event)
    await world.settle(APP)
    found = (await world.cluster.get(PODS, "demo-app-0"))["status"]["conditions"]
    assert (found[0]["reason"], "no such class" in found[0]["message"]) == ("ClaimPending", True)


async def test_growing_that_was_refused_is_not_asked_for_at_each_look(world: World) -> None:
    def ask(size: str) -> None:
        world.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]["cache"] = {"size": size}

    world.app(["six"])
    world.stateful()
    world.pod(claim=CLAIM)
    await world.settle(APP)
    world.cluster.objects["persistentvolumeclaims", CLAIM]["status"] = {"phase": "Bound"}
    ask("1Gi")
    world.cluster.refused.add("persistentvolumeclaims")
    patch = ("patch", "persistentvolumeclaims", CLAIM)
    assert (await world.writes_of(APP, 5)).count(patch) == 1
    assert world.cluster.events.count(("KasprApp", "ClaimNotGrown")) == 1
    world.seconds += 3601
    assert (await world.writes_of(APP, 5)).count(patch) == 1
    ask("2Gi")
    assert (await world.writes_of(APP, 5)).count(patch) == 1
    assert set(world.cluster.claim_uids) == {f"uid-{CLAIM}"}


async def test_where_statefulsets_may_not_be_read_other_evidence_decides_and_a_log_line_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.app(["six"])
    world.stateful(installer=True)
    world.cluster.unreadable.add("statefulsets")
    with caplog.at_level("WARNING"):
        await world.settle(APP)
    assert world.cluster.claims() == []
    assert [record.getMessage() for record in caplog.records] == [
        "team/demo: its StatefulSet may not be read, so who installs is decided by other evidence: cannot get statefulsets"
    ]
    world.pod(injected=False)
    await world.settle(APP, 1)
    assert world.cluster.claims() == [CLAIM]


def conditions_of_app(world: World) -> dict[str, tuple[str, str, str]]:
    entries = world.cluster.objects["kasprapps", "demo"]["status"]["conditions"]
    return {entry["type"]: (entry["status"], entry["reason"], entry["message"]) for entry in entries}


async def observe_six(world: World) -> dict[str, tuple[str, str, str]]:
    """An app of generation 1 whose operator installed six; what the app's conditions say then."""
    six = Distribution(name="six", found=(("1.17.0", True),))
    report = ProbeReport(
        python="3.11.2", executable="python3", derived=True, results=GOOD.results, distributions=(six,)
    )
    world.prober.answer = lambda digest: ProbeOutcome(digest=digest, report=report)
    app = world.app(["six"])
    app["metadata"]["generation"] = 1
    app["status"] = {"observedGeneration": 1}
    world.stateful(installer=True, hash_="theirs")
    world.foreign_pod()
    await world.settle(APP)
    found = conditions_of_app(world)
    assert {status for status, _, _ in found.values()} == {"True"}
    return found


async def test_an_edit_that_is_taken_back_before_the_operator_acted_leaves_the_app_as_it_was(world: World) -> None:
    before = await observe_six(world)
    app = world.cluster.objects["kasprapps", "demo"]
    for generation, package in ((2, "idna"), (3, "six")):
        app = world.cluster.objects["kasprapps", "demo"]
        app["spec"]["pythonPackages"]["packages"] = [package]
        app["metadata"]["generation"] = generation
        await world.settle(APP)
        assert conditions_of_app(world)[names.PACKAGES_INSTALLED][:2] == ("Unknown", "RolloutPending")
    world.cluster.objects["kasprapps", "demo"]["status"]["observedGeneration"] = 3
    await world.settle(APP)
    assert conditions_of_app(world) == before


async def test_a_controller_that_restarts_while_the_operator_is_behind_probes_again_afterwards(world: World) -> None:
    before = await observe_six(world)
    world.cluster.objects["kasprapps", "demo"]["metadata"]["generation"] = 2
    answer = world.prober.answer
    await world.restart()
    world.prober.answer = answer
    await world.settle(APP)
    assert conditions_of_app(world)[names.PACKAGES_INSTALLED][:2] == ("Unknown", "RolloutPending")
    world.cluster.objects["kasprapps", "demo"]["status"]["observedGeneration"] = 2
    await world.settle(APP)
    assert conditions_of_app(world) == before


async def test_conditions_that_somebody_drops_from_a_pod_are_found_out_again(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    before = conditions_of_app(world)
    world.cluster.objects["pods", "demo-app-0"]["status"]["conditions"] = []
    await world.settle(APP)
    assert conditions_of_app(world) == before
    assert world.prober.started == ["demo-app-0", "demo-app-0"]


async def test_a_condition_of_a_third_party_holds_nothing_up(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["generation"] = 3
    entry = {"status": "True", "reason": "Fine", "message": ""}
    app["status"] = {
        "conditions": [
            {"type": "Ready", "observedGeneration": 3, **entry},
            {"type": "example.com/Audited", "observedGeneration": 1, **entry},
        ]
    }
    world.stateful()
    world.pod(injected=False)
    await world.settle(APP)
    assert world.cluster.claims() == [CLAIM]


async def test_an_operator_that_never_says_that_it_acted_is_waited_for_two_minutes(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["generation"] = 3
    app["status"] = {"observedGeneration": 1}
    world.stateful()
    world.pod(injected=False)
    await world.settle(APP)
    world.seconds += 119
    await world.settle(APP)
    assert world.cluster.claims() == []
    world.seconds += 1
    await world.settle(APP)
    assert world.cluster.claims() == [CLAIM]


async def test_another_edit_than_of_the_packages_does_not_make_it_unclear_again_who_installs(world: World) -> None:
    app = world.app(["six"])
    app["spec"]["pythonPackages"]["cache"] = {"enabled": False}
    app["metadata"]["generation"] = 1
    app["status"] = {"observedGeneration": 1}
    world.stateful()
    await world.settle(APP)
    assert "pythonPackages" in world.cluster.objects["kasprapps", "demo"]["status"]
    world.cluster.objects["kasprapps", "demo"]["metadata"]["generation"] = 2  # of the replicas, say
    world.again.clear()
    await world.settle(APP)
    assert "Who installs" not in str(world.cluster.objects["kasprapps", "demo"]["status"])
    assert world.again == []

"""The status of a KasprApp: true to its pods."""

from dataclasses import replace

import pytest

from controller.claim_plan import Settled
from controller.plan import obstacle
from controller.state import Installer, InstallResult, PodState, parse_result, read_pod
from controller.status import (
    claim_troubles,
    duration,
    install_mark,
    new_warnings,
    package_status,
    usage_of,
    usage_warnings,
)
from tests.cases import request_of
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Reason
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import EMPTY, SHARED, marks
from wheelwarden.verify.results import Usage


def request(packages: bool = True, **cache: object) -> Request:
    spec = {"pythonPackages": {"packages": ["six"], "cache": cache}} if packages else {}
    metadata = {"name": "demo", "namespace": "team", "uid": "u-1"}
    obj = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": metadata, "spec": spec}
    return request_of(obj)


CLAIM = "demo-app-python-packages"


def pod(name: str = "demo-app-0", *, installer: Installer | None = None) -> PodState:
    return PodState(
        name=name, uid=name, deleting=False, ready=True, node="node-1", main="kaspr", crashing=False, restarts=0, injected=True,
        hash=request().packages_hash, probed="", foreign_installer=False, taken_over=False,
        search_path="/packages/site-packages", installer=installer, conditions=(),
        claims=frozenset({CLAIM}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1s"), (45.2, "45s"), (60, "1m0s"), (150, "2m30s"), (3725, "62m5s")]
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


INSTALLED = InstallResult(
    outcome="installed",
    hash="h",
    installed=("six==1.17.0",),
    installed_at="2026-01-31T10:30:00Z",
    installed_by="demo-app-0",
    install_seconds=45,
    usage=Usage(total_bytes=4 * 1024**3, used_bytes=1024**3, available_bytes=3 * 1024**3),
)


def condition(status: str, message: str = "") -> Condition:
    return Condition(type=names.PACKAGES_INSTALLED, status=status, reason="R", message=message)


def test_the_status_of_an_app_whose_packages_are_there_has_every_field() -> None:
    pods = [
        pod(installer=Installer(phase="ended", exit_code=0, result=INSTALLED)),
        pod("demo-app-1", installer=Installer(phase="ended", exit_code=0, result=replace(INSTALLED, outcome="reused"))),
    ]
    usage = usage_of(request(), pods, {}, None, mode=SHARED)
    assert package_status(request(), pods, condition(TRUE), None, usage=usage) == {
        "state": "Ready",
        "hash": request().packages_hash,
        "installed": ["six==1.17.0"],
        "cacheMode": "shared-pvc",
        "authentication": {"enabled": False},
        "lastInstallTime": "2026-01-31T10:30:00Z",
        "installDuration": "45s",
        "installedBy": "demo-app-0",
        "warnings": [],
        "cacheUsage": {
            "totalBytes": 4 * 1024**3,
            "usedBytes": 1024**3,
            "availableBytes": 3 * 1024**3,
            "usagePercent": 25.0,
        },
    }


def test_a_full_volume_is_warned_about_in_the_seeds_words() -> None:
    full = replace(INSTALLED, usage=Usage(total_bytes=4 * 1024**3, used_bytes=3435973837, available_bytes=0))
    nearly = replace(INSTALLED, usage=Usage(total_bytes=1000, used_bytes=800, available_bytes=200))

    def warnings(result: InstallResult) -> object:
        pods = [pod(installer=Installer(phase="ended", result=result))]
        status = package_status(
            request(), pods, condition(TRUE), None, usage=usage_of(request(), pods, {}, None, mode=SHARED)
        )
        assert status is not None
        return status["warnings"]

    fuller = replace(full, usage=Usage(total_bytes=4 * 1024**3, used_bytes=3650722202, available_bytes=0))
    assert warnings(fuller) == ["Package cache 85.0% full (3.40GB / 4.00GB)"]
    assert warnings(nearly) == []


def test_a_failed_installation_names_its_error_and_its_class() -> None:
    result = InstallResult(outcome="failed", hash="h", error_class="network", error_message="No way there.")
    status = package_status(
        request(), [pod(installer=Installer(phase="waiting", result=result))], condition(FALSE), None
    )
    assert status == {
        "state": "Failed",
        "hash": request().packages_hash,
        "cacheMode": "shared-pvc",
        "authentication": {"enabled": False},
        "warnings": [],
        "error": "No way there.",
        "errorType": "network",
    }


def test_before_the_first_result_only_what_is_known_is_said() -> None:
    assert package_status(request(enabled=False), [], condition(UNKNOWN), None) == {
        "state": "Installing",
        "hash": request().packages_hash,
        "cacheMode": "emptyDir",
        "authentication": {"enabled": False},
        "warnings": [],
    }
    assert package_status(request(packages=False), [], condition(UNKNOWN), None) is None


def test_a_pod_is_read_with_what_its_installer_said_before_it_was_restarted() -> None:
    message = (
        '{"outcome":"failed","hash":"h","installed":[],"installedAt":null,"installedBy":"demo-app-0","installSeconds":0,'
        '"attempts":3,"error":{"class":"network","message":"no"},"warnings":[],"usage":null}'
    )
    raw = {
        "metadata": {"name": "demo-app-0", "uid": "u", "annotations": {names.POD_HASH_ANNOTATION: "h"}},
        "spec": {
            "containers": [{"name": "kaspr"}],
            "initContainers": [{"name": "install-packages"}],
            "volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "b", "emptyDir": {}}],
        },
        "status": {
            "initContainerStatuses": [
                {
                    "name": "install-packages",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 1, "message": message}},
                }
            ]
        },
    }
    state = read_pod(KASPR_APP, "demo", raw)
    assert (state.main, state.ready, state.hash, state.claims) == ("kaspr", False, "h", frozenset({"c"}))
    assert state.installer == Installer(
        phase="waiting",
        reason="CrashLoopBackOff",
        message="back-off",
        exit_code=1,
        result=InstallResult(
            outcome="failed", hash="h", installed_by="demo-app-0", attempts=3, error_class="network", error_message="no"
        ),
    )


def test_a_pod_with_an_installer_of_somebody_else_is_foreign_and_the_notebooks_container_is_found_by_name() -> None:
    raw = {
        "metadata": {"name": "lab-0", "uid": "u"},
        "spec": {
            "containers": [{"name": "kube-rbac-proxy"}, {"name": "lab"}],
            "initContainers": [{"name": "install-packages"}],
        },
        "status": {"containerStatuses": [{"name": "lab", "ready": True, "restartCount": 2}]},
    }
    state = read_pod(NOTEBOOK, "lab", raw)
    assert (state.main, state.ready, state.restarts) == ("lab", True, 2)
    assert (state.foreign_installer, state.injected) == (True, False)
    assert state.installer == Installer(phase="waiting")


@pytest.mark.parametrize("junk", ["", "Killed", "[]", "{}", '{"outcome": 1}', '{"outcome":"failed","error":3}'])
def test_what_is_no_word_of_the_installer_is_none(junk: str) -> None:
    assert parse_result(junk) is None


def usage(used: int, total: int = 1000) -> Usage:
    return Usage(total_bytes=total, used_bytes=used, available_bytes=total - used)


@pytest.mark.parametrize(
    ("told", "status", "seen", "found"),
    [
        (None, None, None, None),
        (250, None, None, 250),
        (250, None, 300, 300),
        (250, 300, None, 300),  # an earlier controller saw it: it is not put back to what the installer said
        (250, 300, 305, 300),  # hardly changed: nothing is written again
        (250, 300, 310, 310),
        (250, 799, 801, 801),  # now it is to be warned about
    ],
)
def test_how_full_the_volume_is_comes_from_who_looked_last(
    told: int | None, status: int | None, seen: int | None, found: int | None
) -> None:
    result = replace(INSTALLED, usage=None if told is None else usage(told))
    pods = [pod(installer=Installer(phase="ended", result=result))]
    cache = {"totalBytes": 1000, "usedBytes": status, "availableBytes": 1000 - (status or 0)}
    before = {} if status is None else {"hash": request().packages_hash, "cacheUsage": cache}
    used = usage_of(request(), pods, before, None if seen is None else usage(seen), mode=SHARED)
    assert (used and used.used_bytes) == found


def test_what_the_list_of_packages_has_no_room_for_is_a_warning() -> None:
    many = replace(INSTALLED, installed_omitted=400, provided=("numpy==1.26.4",), provided_omitted=30)
    status = package_status(
        request(), [pod(installer=Installer(phase="ended", exit_code=0, result=many))], condition(TRUE), None
    )
    assert status is not None
    assert status["installed"] == ["numpy==1.26.4", "six==1.17.0"]
    assert status["warnings"] == [
        "430 more packages are there than `installed` has room for; the installer's log lists all"
    ]


def test_a_store_without_a_size_of_its_own_has_no_usage_whatever_was_told() -> None:
    ended = Installer(phase="ended", result=replace(INSTALLED, usage=usage(900)))
    pods = [replace(pod(installer=ended), own_size=False)]
    cache = {"totalBytes": 1000, "usedBytes": 900, "availableBytes": 100}
    before = {"hash": request().packages_hash, "cacheUsage": cache}
    assert usage_of(request(), pods, before, usage(900), mode=SHARED) is None
    assert usage_of(request(), [], before, None, mode=SHARED) == usage(900)


@pytest.mark.parametrize(
    ("volume", "own_size"),
    [({"persistentVolumeClaim": {"claimName": "c"}}, True), ({"emptyDir": {}}, False), ({"hostPath": {}}, False)],
)
@pytest.mark.parametrize("injected", [True, False])
def test_it_is_read_from_the_pod_whether_its_packages_are_on_a_volume_with_a_size(
    volume: dict[str, object], own_size: bool, injected: bool
) -> None:
    path = "/packages-store" if injected else "/opt/kaspr/packages"
    mount = {"name": "store", "mountPath": path}
    raw = {
        "metadata": {"name": "p", "uid": "u", "annotations": {names.POD_HASH_ANNOTATION: "h"} if injected else {}},
        "spec": {
            "containers": [{"name": "kaspr", "volumeMounts": [mount]}],
            "initContainers": [{"name": "install-packages", "volumeMounts": [mount]}],
            "volumes": [{"name": "store", **volume}, {"name": "other", "emptyDir": {}}],
        },
    }
    assert read_pod(KASPR_APP, "demo", raw).own_size is own_size


def test_a_pod_that_waits_for_its_restart_has_not_failed() -> None:
    waiting = Condition(
        type=names.PACKAGES_INSTALLED, status=FALSE, reason="RestartRequired", message="The packages changed."
    )
    status = package_status(request(), [pod()], waiting, None)
    assert status is not None
    assert (status["state"], status["warnings"], "error" in status) == ("Installing", ["The packages changed."], False)


def test_the_status_tells_where_packages_come_from_and_as_whom_but_no_secret() -> None:
    obj = {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {"name": "demo", "namespace": "team", "uid": "u"},
        "spec": {
            "pythonPackages": {
                "packages": ["six"],
                "indexUrl": "https://user:hidden@packages.example.com/simple",
                "extraIndexUrls": ["https://other.example.com/simple"],
                "credentials": {"secretRef": {"name": "pypi"}},
            }
        },
    }
    found = request_of(obj)
    status = package_status(found, [], condition(UNKNOWN), None, own_image=True)
    assert status is not None
    assert "hidden" not in str(status)
    assert status["indexUrl"].endswith("packages.example.com/simple")
    assert status["extraIndexUrls"] == ["https://other.example.com/simple"]
    assert status["authentication"] == {"enabled": True, "secretName": "pypi"}
    assert status["warnings"] == ["Both image and pythonPackages specified - packages will be added to custom image"]


@pytest.mark.parametrize(("mode", "own_size"), [(EMPTY, True), (EMPTY, False), (SHARED, False)])
def test_an_empty_dir_has_no_usage_for_that_is_the_nodes_disk(mode: str, own_size: bool) -> None:
    pods = [replace(pod(installer=Installer(phase="ended", result=INSTALLED)), own_size=own_size)]
    cache = {"totalBytes": 1000, "usedBytes": 900, "availableBytes": 100}
    before = {"hash": request().packages_hash, "cacheUsage": cache}
    assert usage_of(request(), pods, before, usage(900), mode=mode) is None


def test_a_volume_that_is_nearly_full_is_a_new_warning_once() -> None:
    (first,), (later,) = usage_warnings(usage(850)), usage_warnings(usage(900))
    assert usage_warnings(usage(800)) == []
    assert new_warnings([], ["Other.", first]) == ["Other.", first]
    assert new_warnings(["Other.", first], ["Other.", later, "New."]) == ["New."]


def test_what_is_wrong_with_the_claim_is_a_warning_told_once() -> None:
    status = package_status(request(), [], condition(TRUE), None, troubles=["It keeps its size.", "It keeps its size."])
    assert status is not None
    assert status["warnings"] == ["It keeps its size."]


def test_an_installation_is_the_same_one_whichever_pod_tells_of_it_later() -> None:
    assert install_mark(INSTALLED) == install_mark(replace(INSTALLED, usage=None, warnings=("W.",)))
    others = [
        replace(INSTALLED, hash="other"), replace(INSTALLED, installed_at="2026-01-31T11:00:00Z"),
        replace(INSTALLED, installed_by="demo-app-1"), replace(INSTALLED, outcome="failed", error_class="network"),
        replace(INSTALLED, outcome="failed", error_class="timeout"),
    ]  # fmt: skip
    assert len({install_mark(result) for result in [INSTALLED, *others]}) == 6


@pytest.mark.parametrize("time", ["", "yesterday", "2026-01-31T10:30:00"])
def test_a_time_that_is_none_does_not_get_into_the_status(time: str) -> None:
    pods = [pod(installer=Installer(phase="ended", exit_code=0, result=replace(INSTALLED, installed_at=time)))]
    status = package_status(request(), pods, condition(TRUE), None)
    assert status is not None
    assert (status["installedBy"], "lastInstallTime" in status) == ("demo-app-0", False)


def test_the_installers_word_is_read_as_hostile_text() -> None:
    message = (
        '{"outcome":"installed","hash":"h","installed":[1,{"a":2}],"provided":[null],"installedAt":5,"installedBy":["x"],'
        '"installSeconds":Infinity,"attempts":1,"error":null,"warnings":[3],"usage":null}'
    )
    assert parse_result(message) is None
    assert parse_result(message.replace('"error":null', '"error":3')) is None


OURS = {"metadata": {"labels": marks(request())}}
GIVEN_UP = {"metadata": {**OURS["metadata"], "annotations": {names.CACHE_FALLBACK_ANNOTATION: "No ReadWriteMany."}}}


@pytest.mark.parametrize(
    ("settled", "owner", "troubles"),
    [
        (Settled(), InstallOwner.OURS, []),
        (Settled(claim=OURS), InstallOwner.OURS, []),
        (Settled(hindrance=obstacle(Reason.CLAIM_REFUSED, "No.")), InstallOwner.OURS, ["refused"]),
        (Settled(hindrance=obstacle(Reason.INVALID_SPEC, "No.")), InstallOwner.OURS, []),
        (Settled(claim=OURS, waiting=obstacle(Reason.CLAIM_PENDING, "Wait.")), InstallOwner.OURS, ["pending"]),
        (Settled(claim=GIVEN_UP, warnings=("It keeps its size.",)), InstallOwner.OURS, ["fallback", "unlike"]),
        (Settled(claim={"metadata": {}}), InstallOwner.OURS, ["conflict"]),
        (Settled(claim={"metadata": {}}), InstallOwner.FOREIGN, []),
    ],
)
def test_what_is_wrong_with_a_claim_has_a_closed_set_of_names(
    settled: Settled, owner: InstallOwner, troubles: list[str]
) -> None:
    assert claim_troubles(request(), settled, owner) == troubles

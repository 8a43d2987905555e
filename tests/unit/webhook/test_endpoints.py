"""What stands behind the two paths: which objects are denied, and which pods pass as they are, and why."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from webhook import endpoints
from webhook.endpoints import Answer, Injection, Validation
from webhook.install_containers import Tools
from webhook.review import Review
from wheelwarden.api.errors import Forbidden, KubeError, NotFound
from wheelwarden.api.kinds import KASPR_APP, KINDS, NOTEBOOK
from wheelwarden.kube import CLAIMS, Listing, Resource
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.rules.policy_file import parse_policy

Object = dict[str, Any]

TOOLS = Tools(enabled=True, image="registry.example.com/wheelwarden:1")
APP = {
    "apiVersion": "kaspr.io/v1alpha1",
    "kind": "KasprApp",
    "metadata": {"name": "orders", "namespace": "shop"},
    "spec": {"pythonPackages": {"packages": ["six==1.16.0"]}},
}


class Objects:
    """Gives one object, an error, or no answer at all."""

    def __init__(self, found: Object | KubeError | None) -> None:
        self.found = found
        self.claim: Object | None = None
        self.pods: Sequence[Object] | KubeError = ()
        self.asked: list[tuple[str, str, str | None]] = []

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        self.asked.append((resource.path(namespace), labels, namespace))
        if isinstance(self.pods, KubeError):
            raise self.pods
        return Listing(items=list(self.pods), resource_version="1")

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        if resource == CLAIMS:
            self.asked.append((resource.path(namespace), name, namespace))
            if self.claim is None:
                raise NotFound(404, "NotFound", name)
            return self.claim
        self.asked.append((resource.path(namespace), name, namespace))
        if self.found is None:
            await asyncio.Event().wait()
        if isinstance(self.found, KubeError):
            raise self.found
        assert self.found is not None
        return self.found


def review(**fields: Any) -> Review:
    values: Object = {
        "uid": "u-1",
        "operation": "CREATE",
        "group": "",
        "version": "v1",
        "kind": "Pod",
        "subresource": "",
        "namespace": "shop",
        "name": "orders-app-0",
        "obj": {
            "metadata": {"labels": {"kaspr.io/app": "orders"}},
            "spec": {"containers": [{"name": "kaspr", "image": "i"}]},
        },
        "old": None,
    }
    return Review(**{**values, **fields})


def injection(objects: Objects, **options: Any) -> Injection:
    return Injection(objects, **{"policy": lambda: DEFAULT, "kinds": KINDS, "tools": TOOLS, **options})


def app(**spec: Any) -> Object:
    return {**APP, "spec": {"pythonPackages": {"packages": ["six==1.16.0"], **spec}}}


async def test_the_pod_of_an_owner_with_packages_is_patched() -> None:
    objects = Objects(APP)
    answer = await injection(objects).answer(review())
    response = answer.document["response"]
    patch = json.loads(base64.b64decode(response["patch"]))
    assert objects.asked == [
        ("/apis/kaspr.io/v1alpha1/namespaces/shop/kasprapps", "orders", "shop"),
        ("/api/v1/namespaces/shop/persistentvolumeclaims", "orders-app-python-packages", "shop"),
        ("/api/v1/namespaces/shop/pods", "kaspr.io/app=orders", "shop"),
        ("/api/v1/namespaces/shop/limitranges", "", "shop"),
    ]
    assert (answer.outcome, response["allowed"], "warnings" in response) == ("injected", True, False)
    assert [operation["path"] for operation in patch] == [
        "/metadata/annotations",
        "/spec/volumes",
        "/spec/initContainers",
        "/spec/containers/0/volumeMounts",
        "/spec/containers/0/env",
    ]


async def test_the_policy_decides_whether_an_installer_is_taken_over_where_the_owner_does_not_say() -> None:
    mount = {"name": "theirs", "mountPath": "/opt/kaspr/packages"}
    pod = {
        "metadata": {"labels": {"kaspr.io/app": "orders"}},
        "spec": {
            "initContainers": [{"name": "install-packages", "image": "i", "volumeMounts": [mount]}],
            "containers": [{"name": "kaspr", "image": "i", "volumeMounts": [mount]}],
        },
    }
    managed = parse_policy({"overrides": [{"namespaces": ["shop"], "install": "managed"}]})
    taking = await injection(Objects(app()), policy=lambda: managed).answer(review(obj=pod))
    assert taking.outcome == "injected"
    assert (await injection(Objects(app())).answer(review(obj=pod))).outcome == "skipped"
    metadata = {"name": "orders", "namespace": "shop", "annotations": {"wheelwarden.dev/install": "observe"}}
    observed = {**app(), "metadata": metadata}
    answer = await injection(Objects(observed), policy=lambda: managed).answer(review(obj=pod))
    assert answer.outcome == "skipped"


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "obj": None},
        {"kind": "Deployment", "group": "apps"},
        {"subresource": "ephemeralcontainers"},
        {"obj": {"metadata": {"labels": {"app": "other"}}, "spec": {}}},
        {"obj": {"metadata": {}, "spec": {}}},
        {"obj": {"metadata": {"labels": {"notebook-name": "n"}}, "spec": {}}},
    ],
    ids=["update", "delete", "kind", "subresource", "label", "no labels", "kind switched off"],
)
async def test_what_is_no_new_pod_of_a_guarded_kind_passes_unread(fields: Object) -> None:
    objects = Objects(APP)
    answer = await injection(objects, kinds=[KASPR_APP]).answer(review(**fields))
    assert (answer.outcome, answer.document["response"]) == ("skipped", {"uid": "u-1", "allowed": True})
    assert objects.asked == []


@pytest.mark.parametrize(
    "found",
    [
        NotFound(404, "NotFound", "kasprapps.kaspr.io not found"),
        {**APP, "spec": {}},
        app(packages=[]),
        {**APP, "metadata": {"name": "orders", "annotations": {"wheelwarden.dev/install": "observe"}}},
    ],
    ids=["no owner", "no packages", "empty packages", "observed"],
)
async def test_a_pod_whose_owner_asks_for_nothing_passes_in_silence(found: Any) -> None:
    answer = await injection(Objects(found)).answer(review())
    assert (answer.outcome, answer.document["response"]) == ("skipped", {"uid": "u-1", "allowed": True})


@pytest.mark.parametrize("found", [Forbidden(403, "Forbidden", "no right"), None], ids=["forbidden", "no answer"])
async def test_an_owner_that_cannot_be_read_in_time_stops_no_pod(
    found: KubeError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "OWNER_TIMEOUT_SECONDS", 0.05)
    answer = await injection(Objects(found)).answer(review())
    assert (answer.outcome, answer.document["response"]) == (
        "warned",
        {
            "uid": "u-1",
            "allowed": True,
            "warnings": [
                (
                    "KasprApp orders could not be read, so the pod starts without its Python packages; "
                    "Wheelwarden's controller looks after it"
                )
            ],
        },
    )


async def test_packages_that_came_in_past_the_rules_are_not_installed() -> None:
    answer = await injection(Objects(app(packages=["six; rm -rf /", "a b c"]))).answer(review())
    response = answer.document["response"]
    assert (answer.outcome, response["allowed"], "patch" in response) == ("warned", True, False)
    assert "KasprApp orders asks for packages that are not allowed, so none are installed" in response["warnings"][0]


async def test_a_collision_is_told_to_the_maker_of_the_pod() -> None:
    pod = {
        "metadata": {"labels": {"kaspr.io/app": "orders"}},
        "spec": {"containers": [{"name": "kaspr"}], "volumes": [{"name": "wheelwarden-view"}]},
    }
    answer = await injection(Objects(APP)).answer(review(obj=pod))
    assert answer.outcome == "warned"
    assert "the volume name wheelwarden-view of the pod" in answer.document["response"]["warnings"][0]


def injected(answer: Answer) -> tuple[Object, Object]:
    """The store's volume and the installer's request in the patch of an answer."""
    patch = json.loads(base64.b64decode(answer.document["response"]["patch"]))
    values = {operation["path"]: operation["value"] for operation in patch}
    [store] = [volume for volume in values["/spec/volumes"] if volume["name"] == "wheelwarden-store"]
    installer = values["/spec/initContainers"][-1]
    [asked] = [one["value"] for one in installer["env"] if one["name"] == "WHEELWARDEN_REQUEST"]
    return store, json.loads(asked)


def live(hash_: str, phase: str = "Running") -> Object:
    return {"metadata": {"annotations": {"wheelwarden.dev/packages-hash": hash_}}, "status": {"phase": phase}}


async def test_the_installer_learns_which_sets_live_pods_use() -> None:
    objects = Objects(APP)
    objects.pods = [live("b"), live("a", "Pending"), live("b"), live("c", "Succeeded"), {"metadata": {}}]
    assert injected(await injection(objects).answer(review()))[1]["keysInUse"] == ["a", "b"]


async def test_where_the_live_pods_are_not_known_nothing_is_collected() -> None:
    objects = Objects(APP)
    objects.pods = Forbidden(403, "Forbidden", "no")
    assert injected(await injection(objects).answer(review()))[1]["keysInUse"] is None


MARKS = {
    "app.kubernetes.io/managed-by": "wheelwarden",
    "wheelwarden.dev/workload-kind": "KasprApp",
    "wheelwarden.dev/workload-name": "orders",
}


@pytest.mark.parametrize(
    ("claim", "mounted"),
    [
        (None, True),
        ({"metadata": {"labels": MARKS}, "spec": {"accessModes": ["ReadWriteMany"]}}, True),
        ({"metadata": {"labels": {}}, "spec": {"accessModes": ["ReadWriteMany"]}}, False),
        ({"metadata": {"labels": MARKS, "annotations": {"wheelwarden.dev/cache-mode": "emptyDir"}}}, False),
    ],
    ids=["not made yet", "ours", "a stranger's", "given up"],
)
async def test_a_pod_mounts_the_claim_only_where_it_is_ours_and_can_be_had(claim: Object | None, mounted: bool) -> None:
    objects = Objects(APP)
    objects.claim = claim
    store, _ = injected(await injection(objects).answer(review()))
    claimed = {"persistentVolumeClaim": {"claimName": "orders-app-python-packages"}}
    assert store == {"name": "wheelwarden-store", **(claimed if mounted else {"emptyDir": {}})}


async def test_after_a_fault_a_pod_passes_and_an_object_does_not() -> None:
    excuse = injection(Objects(APP)).excuse(review(), "It failed")
    assert excuse is not None
    assert excuse["response"] == {
        "uid": "u-1",
        "allowed": True,
        "warnings": ["It failed; the pod starts without its Python packages"],
    }
    assert Validation(Objects(None), policy=lambda: DEFAULT, kinds=KINDS).excuse(review(), "It failed") is None


@pytest.mark.parametrize(
    ("packages", "outcome"), [(["six==1.16.0"], "allowed"), (["six; rm -rf /"], "denied"), (["a b c"], "denied")]
)
async def test_objects_are_judged_by_the_rules(packages: list[str], outcome: str) -> None:
    judged = review(group="kaspr.io", version="v1alpha1", kind="KasprApp", name="orders", obj=app(packages=packages))
    answer = await Validation(Objects(None), policy=lambda: DEFAULT, kinds=KINDS).answer(judged)
    assert (answer.outcome, answer.document["response"]["allowed"]) == (outcome, outcome == "allowed")
    answer = await Validation(Objects(None), policy=lambda: DEFAULT, kinds=[NOTEBOOK]).answer(judged)
    assert answer.outcome == "allowed"

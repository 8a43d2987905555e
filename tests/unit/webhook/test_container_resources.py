"""Our containers must not cost a pod its admission or its QoS class."""

from typing import Any

import pytest

from webhook.container_resources import complete, fit
from webhook.install_containers import DEFAULT_RESOURCES, TOOLS_RESOURCES

Object = dict[str, Any]


def main(requests: Object | None = None, limits: Object | None = None) -> Object:
    resources = {kind: amounts for kind, amounts in (("requests", requests), ("limits", limits)) if amounts}
    return {"name": "kaspr", "resources": resources}


def limit_range(**item: Object) -> Object:
    return {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1m"}}, {"type": "Container", **item}]}}


BURSTABLE = main({"cpu": "200m"})


def test_a_pod_without_limits_gets_our_defaults() -> None:
    assert fit(DEFAULT_RESOURCES, BURSTABLE, [BURSTABLE], []) == DEFAULT_RESOURCES


def test_where_a_quota_wants_a_limit_for_each_container_ours_have_the_main_ones() -> None:
    given = main({"cpu": "50m", "ephemeral-storage": "1Gi"}, {"cpu": "50m", "ephemeral-storage": "2Gi"})
    assert fit(DEFAULT_RESOURCES, given, [given], []) == {
        "requests": {"cpu": "50m", "memory": "256Mi", "ephemeral-storage": "1Gi"},
        "limits": {"memory": "1Gi", "cpu": "50m", "ephemeral-storage": "2Gi"},
    }


def test_what_the_owner_asks_for_is_only_completed() -> None:
    asked = {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    assert complete(asked, main(limits={"cpu": "2", "memory": "4Gi"})) == {
        "requests": {"memory": "2Gi"},
        "limits": {"memory": "2Gi", "cpu": "2"},
    }


@pytest.mark.parametrize("requests", [None, {"cpu": "1000m", "memory": "512Mi"}])
def test_a_guaranteed_pod_stays_guaranteed(requests: Object | None) -> None:
    given = main(requests, {"cpu": "1", "memory": "512Mi"})
    same = {"cpu": "1", "memory": "512Mi"}
    assert fit(DEFAULT_RESOURCES, given, [given], []) == {"requests": same, "limits": same}
    small = main(None, {"cpu": "1", "memory": "64Mi"})
    enough = {"cpu": "1", "memory": "256Mi"}
    assert fit(DEFAULT_RESOURCES, small, [small], []) == {"requests": enough, "limits": enough}
    # With one container that is not, the pod is none, and nothing more is asked for than needed.
    assert fit(TOOLS_RESOURCES, given, [given, BURSTABLE], [])["requests"] == {"cpu": "10m", "memory": "16Mi"}


def test_the_limits_of_the_namespace_are_kept() -> None:
    low = [limit_range(min={"memory": "32Mi", "cpu": "20m"})]
    assert fit(TOOLS_RESOURCES, BURSTABLE, [BURSTABLE], low) == {
        "requests": {"cpu": "20m", "memory": "32Mi"},
        "limits": {"memory": "128Mi"},
    }
    high = [limit_range(max={"memory": "200Mi"})]
    assert fit(DEFAULT_RESOURCES, BURSTABLE, [BURSTABLE], high) == {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"memory": "200Mi"},
    }
    close = [limit_range(maxLimitRequestRatio={"memory": "2"})]
    assert fit(DEFAULT_RESOURCES, BURSTABLE, [BURSTABLE], close) == {
        "requests": {"cpu": "100m", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }

"""What is told of a KasprApp because of what Kaspr's CRD and Kubernetes make of it: whole messages."""

from typing import Any

import pytest

from tests.cases import kaspr_app
from wheelwarden.rules import judge_object

HERE = "spec.pythonPackages.cache.enabled"


@pytest.mark.parametrize(
    ("cache", "message"),
    [
        (
            {"size": "4Gi"},
            (
                f"{HERE}: Kaspr's CRD makes it false as soon as cache is given, so there is no volume: each pod installs for"
                " itself. Write enabled: true beside it, or enabled: false if that is meant. [cache-not-enabled]"
            ),
        ),
        (
            {"enabled": False, "size": "4Gi", "storageClass": "fast-nfs"},
            (
                f'{HERE} "false": there is no volume, so storageClass and size mean nothing; Kaspr\'s CRD makes it false'
                " where it is left out. Write enabled: true, or drop storageClass and size. [cache-not-enabled]"
            ),
        ),
        (
            {"enabled": False, "accessMode": "ReadWriteOnce"},
            (
                f'{HERE} "false": there is no volume, so accessMode means nothing; Kaspr\'s CRD makes it false'
                " where it is left out. Write enabled: true, or drop accessMode. [cache-not-enabled]"
            ),
        ),
    ],
)
def test_a_cache_that_kasprs_crd_turns_off_is_told(cache: dict[str, Any], message: str) -> None:
    assert [one.message for one in judge_object(kaspr_app({"packages": ["six"], "cache": cache}))] == [message]


def test_a_name_that_no_statefulset_can_have_is_refused() -> None:
    app = kaspr_app({"packages": ["six"]})
    app["metadata"]["name"] = name = "a" * 49
    assert [one.message for one in judge_object(app)] == [
        (
            f'metadata.name "{name}": it has 49 characters: it is too long for the name of its StatefulSet, so no pod'
            " is ever created. Choose a name of at most 48 characters. [name-too-long]"
        )
    ]

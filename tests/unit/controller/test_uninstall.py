"""What an uninstall takes back of one object: ours, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from controller import uninstall
from controller.uninstall import clear_object, clear_pod
from wheelwarden.api import names
from wheelwarden.api.kinds import KASPR_APP
from wheelwarden.parsing.packages_hash import compute_packages_hash

OURS = [{"type": names.PACKAGES_INSTALLED, "status": "True"}, {"type": names.IMPORTS_VERIFIED, "status": "True"}]
READY = {"type": "Ready", "status": "True"}
SIX = {"packages": ["six"]}


def app(**status: Any) -> dict[str, Any]:
    metadata = {"name": "demo", "namespace": "team", "resourceVersion": "7"}
    return {"metadata": metadata, "spec": {"pythonPackages": SIX}, "status": status}


def pod(conditions: list[dict[str, str]], **annotations: str) -> dict[str, Any]:
    metadata = {"name": "demo-app-0", "namespace": "team", "uid": "u", "annotations": annotations}
    return {"metadata": metadata, "status": {"conditions": conditions}}


def test_a_pod_loses_our_conditions_and_the_last_probe() -> None:
    probed = {names.POD_PROBED_ANNOTATION: "digest", names.POD_HASH_ANNOTATION: "hash"}
    assert clear_pod(pod([READY, *OURS], **probed)) == {
        "metadata": {"uid": "u", "annotations": {names.POD_PROBED_ANNOTATION: None}},
        "status": {
            "conditions": [
                {"type": names.PACKAGES_INSTALLED, "$patch": "delete"},
                {"type": names.IMPORTS_VERIFIED, "$patch": "delete"},
            ]
        },
    }
    assert clear_pod(pod([READY], **{names.POD_HASH_ANNOTATION: "hash"})) is None


def test_an_app_loses_our_conditions_and_status_and_keeps_the_operators() -> None:
    version = {"resourceVersion": "7"}
    mine = {"hash": compute_packages_hash(SIX)}
    assert clear_object(KASPR_APP, app(conditions=[READY, *OURS], pythonPackages=mine)) == {
        "metadata": version,
        "status": {"conditions": [READY], "pythonPackages": None},
    }
    theirs = {"hash": "theirs"}
    assert clear_object(KASPR_APP, app(conditions=[READY, *OURS], pythonPackages=theirs, wheelwarden=mine)) == {
        "metadata": version,
        "status": {"conditions": [READY], "wheelwarden": None},
    }
    assert clear_object(KASPR_APP, app(conditions=[READY], pythonPackages=theirs)) is None
    assert clear_object(KASPR_APP, app()) is None


@pytest.mark.parametrize("kubeconfig", ["nowhere", ""])
def test_it_always_ends_well(
    kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WHEELWARDEN_LEASE", raising=False)
    if kubeconfig:
        monkeypatch.setenv("WHEELWARDEN_NAMESPACE", "home")
        monkeypatch.setenv("WHEELWARDEN_LEASE", "controller")
        monkeypatch.setenv("WHEELWARDEN_KUBECONFIG", str(tmp_path / kubeconfig))
    assert uninstall.main() == 0
    assert "nothing more is cleared" in capfd.readouterr().err

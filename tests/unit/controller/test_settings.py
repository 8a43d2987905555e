"""The controller's settings: defaults, and every problem named at once."""

import pytest

from controller.settings import Settings, read_settings
from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.kinds import NOTEBOOK
from wheelwarden.settings import Address

NEEDED = {"WHEELWARDEN_NAMESPACE": "ns", "WHEELWARDEN_LEASE": "lease", "WHEELWARDEN_POD_NAME": "pod"}


def test_what_is_left_out_has_its_default() -> None:
    settings = read_settings({**NEEDED, "WHEELWARDEN_KINDS": "Notebook", "WHEELWARDEN_WATCH_NAMESPACES": "a, b"})
    assert settings == Settings(
        health_listen=Address(host="0.0.0.0", port=8081),
        namespace="ns",
        identity="pod",
        lease="lease",
        kinds=(NOTEBOOK,),
        namespaces=("a", "b"),
        workers=16,
        resync_seconds=600,
        probe_concurrency=8,
        probes_per_node=2,
        probes_per_namespace=4,
        policy_file=None,
        kubeconfig=None,
        log_level="info",
        log_format="text",
    )


def test_everything_that_is_wrong_is_named_at_once() -> None:
    wrong = {
        "WHEELWARDEN_KINDS": "Notebook,CronJob",
        "WHEELWARDEN_WORKERS": "many",
        "WHEELWARDEN_LOG_LEVEL": "loud",
        "WHEELWARDEN_HEALTH_LISTEN": "8081",
    }
    with pytest.raises(UnusableInput) as raised:
        read_settings(wrong)
    assert str(raised.value) == (
        'settings in the environment: WHEELWARDEN_HEALTH_LISTEN is "8081" but must be HOST:PORT; '
        'WHEELWARDEN_NAMESPACE is required; WHEELWARDEN_LEASE is required; WHEELWARDEN_KINDS: there is no kind "CronJob"; '
        'WHEELWARDEN_WORKERS is "many" but must be a whole number of at least 1; '
        'WHEELWARDEN_LOG_LEVEL is "loud" but must be one of debug, info, warning, error'
    )

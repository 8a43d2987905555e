"""The installer's termination message: written by the payload, read by the controller."""

import json
from dataclasses import replace
from typing import Any

import pytest

from controller.plan import packages_condition
from controller.state import Installer, InstallResult, parse_result, read_pod
from tests.unit.controller.test_plan import SIX, pod
from wheelwarden.api import names
from wheelwarden.api.kinds import KASPR_APP
from wheelwarden.payload.install import message
from wheelwarden.payload.install.result import result_of
from wheelwarden.payload.install.schema import VersionError
from wheelwarden.verify.results import Usage

LIMIT = 4096
USAGE = {"totalBytes": 4 << 30, "usedBytes": 1 << 30, "availableBytes": 3 << 30}
HASH = "0123456789abcdef"


def result(**changes: Any) -> dict[str, Any]:
    """A result, as the installer writes it."""
    return {
        "version": 1, "outcome": "installed", "hash": HASH, "key": f"{HASH}-cp311-linux_x86_64-glibc-1a2b3c4d",
        "installer": "uv 0.13.8", "python": "3.11.2", "attempts": 1, "durationSeconds": 4.2, "installSeconds": 4.2,
        "installedAt": "2026-01-31T10:30:00Z", "installedBy": "demo-app-0", "installed": ["six==1.17.0"],
        "provided": [], "warnings": [], "error": None, "usage": USAGE, **changes,
    }  # fmt: skip


def message_of(written: dict[str, Any], limit: int) -> str:
    return message.message_of(result_of(written), limit)


def failed(text: str, kind: str = "package_not_found", **changes: Any) -> dict[str, Any]:
    return result(outcome="failed", installed=[], error={"class": kind, "message": text}, **changes)


def many(count: int, prefix: str) -> list[str]:
    return [f"{prefix}-{number}=={number}.{number % 7}.0" for number in range(count)]


def read(written: dict[str, Any], limit: int = LIMIT) -> InstallResult:
    text = message_of(written, limit)
    assert len(text.encode()) <= limit
    found = parse_result(text)
    assert found is not None
    return found


def test_a_short_result_is_a_sentence_and_two_lines_of_json() -> None:
    assert message_of(result(), LIMIT).split("\n") == [
        "Installed 1 package for Python 3.11.2.",
        (
            '{"version":1,"outcome":"installed","hash":"0123456789abcdef","key":"0123456789abcdef-cp311-linux_x86_64-glibc-1a2b3c4d",'
            '"installer":"uv 0.13.8","python":"3.11.2","attempts":1,"durationSeconds":4.2,"installSeconds":4.2,'
            '"installedAt":"2026-01-31T10:30:00Z","installedBy":"demo-app-0",'
            '"usage":{"totalBytes":4294967296,"usedBytes":1073741824,"availableBytes":3221225472},'
            '"counts":{"installed":1,"provided":0,"warnings":0}}'
        ),
        '{"installed":["six==1.17.0"],"provided":[],"warnings":[]}',
    ]
    assert read(result()) == InstallResult(
        outcome="installed",
        hash=HASH,
        installed=("six==1.17.0",),
        installed_at="2026-01-31T10:30:00Z",
        installed_by="demo-app-0",
        install_seconds=4.2,
        attempts=1,
        usage=Usage(total_bytes=4 << 30, used_bytes=1 << 30, available_bytes=3 << 30),
    )


def test_a_failure_is_written_in_words() -> None:
    text = message_of(failed("Package not found in index. Nothing is called six9."), LIMIT)
    assert text == (
        "Package not found in index. Nothing is called six9.\nError class: package_not_found. Attempts: 1. "
        "Packages hash: 0123456789abcdef. Volume: 4.00 GiB, 1.00 GiB used, 3.00 GiB available."
    )
    without_usage = InstallResult(
        outcome="failed",
        hash=HASH,
        attempts=1,
        error_class="package_not_found",
        error_message="Package not found in index. Nothing is called six9.",
    )
    usage = Usage(total_bytes=4 << 30, used_bytes=1 << 30, available_bytes=3 << 30)
    assert parse_result(text) == replace(without_usage, usage=usage)
    assert parse_result(text.partition(" Volume:")[0]) == without_usage
    before = " Volume: 4294967296 bytes, 1073741824 used, 3221225472 available."
    assert parse_result(text.partition(" Volume:")[0] + before) == replace(without_usage, usage=usage)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Installed 1 package for Python 3.11.2."),
        ({"provided": ["a==1", "b==1"]}, "Installed 1 package for Python 3.11.2. The image provides 2 packages."),
        ({"installed": [], "provided": ["a==1"]}, "Nothing had to be installed. The image provides 1 package."),
        ({"outcome": "reused"}, "Reused the 1 package that demo-app-0 installed at 2026-01-31T10:30:00Z."),
    ],
)
def test_the_sentence_says_what_happened(changes: dict[str, Any], sentence: str) -> None:
    assert message_of(result(**changes), LIMIT).split("\n")[0] == sentence


LONG_WARNING = "six overrides the image's " + "word " * 300 + "end"
MULTIBYTE_WARNING = "Größe überschritten 日本語 " * 200


@pytest.mark.parametrize("limit", [4096, 3072, 2048, 1024])
@pytest.mark.parametrize("installed", [0, 1, 70, 500])
@pytest.mark.parametrize("provided", [0, 170, 500])
@pytest.mark.parametrize("warnings", [[], [LONG_WARNING] * 20, [MULTIBYTE_WARNING] * 50])
def test_every_message_fits_and_counts_the_omitted_entries(
    limit: int, installed: int, provided: int, warnings: list[str]
) -> None:
    written = result(installed=many(installed, "pkg"), provided=many(provided, "own"), warnings=warnings)
    found = read(written, limit)
    for name, total in (("installed", installed), ("provided", provided), ("warnings", len(warnings))):
        shown = getattr(found, name)
        assert len(shown) + getattr(found, f"{name}_omitted") == total
        if name != "warnings":
            assert list(shown) == written[name][: len(shown)]
    if limit == LIMIT:
        assert len(found.installed) >= min(installed, 35)
        assert len(found.provided) >= min(provided, 35)
        assert len(found.warnings) >= min(len(warnings), 1)
    assert message_of(written, limit) == message_of(written, limit)


def test_space_that_one_list_leaves_goes_to_the_others() -> None:
    alone = read(result(installed=many(500, "pkg")))
    beside = read(result(installed=many(500, "pkg"), provided=many(500, "own")))
    assert len(alone.installed) > 150 > len(beside.installed) > 70


def test_a_long_warning_is_cut_after_a_whole_word() -> None:
    [warning] = read(result(warnings=[LONG_WARNING])).warnings
    assert warning.endswith("word word…")
    assert len(warning.encode()) <= 400


def test_a_long_error_of_multibyte_characters_is_cut_after_a_whole_word() -> None:
    found = read(failed("Package not found in index. " + "Prüfsummenüberprüfung 日本語 " * 100))
    assert found.error_message.endswith(("Prüfsummenüberprüfung…", "日本語…"))
    assert 900 < len(found.error_message.encode()) <= 1000


def test_control_characters_and_lone_surrogates_are_removed() -> None:
    found = read(failed("Cannot\x1b[31m reach\n\r\u2028 it \udce4 now"))
    assert found.error_message == "Cannot [31m reach it ? now"


def test_long_names_leave_space_for_the_facts() -> None:
    found = read(result(installedBy="p" * 5000, installer="x" * 5000), 1024)
    assert found.outcome == "installed"


def test_the_facts_can_be_read_when_the_kubelet_cuts_the_lists() -> None:
    """All containers of a pod share 12 KiB, including those of `kubectl debug`."""
    text = message_of(result(installed=many(500, "pkg"), provided=many(500, "own")), LIMIT)
    whole = parse_result(text)
    assert whole is not None
    after_facts = len("\n".join(text.split("\n")[:2]))
    for end in range(after_facts, len(text), 31):
        found = parse_result(text[:end])
        assert found is not None
        assert (found.outcome, found.usage, found.attempts) == (whole.outcome, whole.usage, whole.attempts)
        assert (len(found.installed) + found.installed_omitted, found.installed) == (500, ())


def test_a_condition_counts_the_entries_that_it_omits() -> None:
    written = result(
        installed=many(500, "pkg"), provided=many(170, "own"), warnings=["one", "two", *[LONG_WARNING] * 500]
    )
    found = packages_condition(SIX, pod(installer=Installer(phase="ended", exit_code=0, result=read(written))), None)
    assert found is not None
    assert (found.status, found.reason) == ("True", "Installed")
    head, provided, *_ = found.message.split(". ")
    assert head.startswith("Installed 500 distributions: pkg-0==0.0.0, pkg-1==1.1.0, ")
    assert head.endswith(" and 477 more")
    assert provided.startswith("The image provides 170 distributions: own-0==0.0.0, ")
    assert provided.endswith(" and 147 more")


def test_a_result_without_its_lists_still_has_their_counts() -> None:
    text = "\n".join(message_of(result(installed=many(500, "pkg")), LIMIT).split("\n")[:2])
    ended = Installer(phase="ended", exit_code=0, result=parse_result(text))
    found = packages_condition(SIX, pod(installer=ended), None)
    assert found is not None
    assert found.message == "Installed 500 distributions"


def test_the_message_of_the_previous_release_can_be_read() -> None:
    old = json.dumps({**failed("No way there.", "network", warnings=["w"]), "installedOmitted": 0, "usage": None})
    assert parse_result(old) == InstallResult(
        outcome="failed",
        hash=HASH,
        installed_at="2026-01-31T10:30:00Z",
        installed_by="demo-app-0",
        install_seconds=4.2,
        attempts=1,
        error_class="network",
        error_message="No way there.",
        warnings=("w",),
    )
    kept = json.dumps({**result(installed=many(3, "pkg")), "installedOmitted": 40})
    found = parse_result(kept)
    assert found is not None
    assert (found.installed, found.installed_omitted) == (tuple(many(3, "pkg")), 40)


FACTS = json.loads(message_of(result(), LIMIT).split("\n")[1])


def hostile(**changes: Any) -> str:
    return "Installed.\n" + json.dumps({**FACTS, **changes}) + '\n{"installed":[],"provided":[],"warnings":[]}'


@pytest.mark.parametrize(
    "text",
    [
        "Installed.\n" + "[" * 4000,
        "Installed.\n[]",
        "Installed.\n{}",
        "Installed.\n\n",
        "x" * 5000,
        hostile() + " " * 4096,
        hostile(outcome="perfect"),
        hostile(outcome=["installed"]),
        hostile(outcome="failed"),
        "No.\nError class: network. Attempts: 1000000000. Packages hash: h.",
        "No.\nError class: network. Attempts: 1. Packages hash: h. Volume: 10 bytes, 11 used, 0 available.",
        "No.\nError class: network. Attempts: 1. Packages hash: h. And more.",
        hostile(hash=7),
        hostile(version="2"),
        hostile(version=True),
        hostile(version=10**300),
        hostile(version=-1),
        hostile(attempts="1"),
        hostile(attempts=-1),
        hostile(attempts=True),
        hostile(attempts=10**300),
        hostile(installSeconds=float("nan")),
        hostile(installSeconds=float("inf")),
        hostile(installedBy={"a": 1}),
        hostile(counts=[1]),
        hostile(counts={"installed": "many"}),
        hostile(usage=[1, 2, 3]),
        hostile(usage={**USAGE, "usedBytes": 5 << 30}),
        hostile(usage={**USAGE, "usedBytes": -1}),
        "Installed.\n" + json.dumps(FACTS) + '\n{"installed":[1]}',
        "Installed.\n" + json.dumps(FACTS) + '\n{"installed":{"a":1},"warnings":7}',
    ],
)
def test_a_message_that_the_installer_cannot_have_written_is_ignored(text: str) -> None:
    assert parse_result(text) is None


@pytest.mark.parametrize(
    "text",
    [
        hostile(version=2),
        "No.\nResult version: 2. Error class: network. And more.",
        json.dumps({**result(), "version": 2}),
    ],
)
def test_another_version_raises_an_error_with_advice(text: str) -> None:
    with pytest.raises(VersionError) as refused:
        parse_result(text)
    assert str(refused.value) == (
        "The installer's result has version 2, but this release reads version 1. "
        "Installer and controller must be of the same release: recreate the pod."
    )


def test_the_condition_reports_a_result_of_another_version() -> None:
    terminated = {"exitCode": 0, "reason": "Completed", "message": hostile(version=2)}
    for state, phase in (
        ({"state": {"terminated": terminated}}, "ended"),
        ({"state": {"running": {}}, "lastState": {"terminated": terminated}}, "running"),
        ({"state": {"waiting": {}}, "lastState": {"terminated": terminated}}, "waiting"),
    ):
        raw = {
            "metadata": {
                "name": "demo-app-0",
                "uid": "1",
                "annotations": {names.POD_HASH_ANNOTATION: SIX.packages_hash},
            },
            "spec": {"initContainers": [{"name": names.INSTALL_CONTAINER}], "containers": [{"name": "kaspr"}]},
            "status": {"initContainerStatuses": [{"name": names.INSTALL_CONTAINER, **state}]},
        }
        state_of_pod = read_pod(KASPR_APP, "demo-app", raw)
        assert state_of_pod.installer is not None
        assert (state_of_pod.installer.phase, state_of_pod.installer.result) == (phase, None)
        found = packages_condition(SIX, state_of_pod, None)
        assert found is not None
        assert (found.status, found.reason, found.message) == (
            "False",
            "InstallFailed",
            (
                "The installer's result has version 2, but this release reads version 1. "
                "Installer and controller must be of the same release: recreate the pod."
            ),
        )


def test_an_unknown_class_of_error_becomes_unknown() -> None:
    text = "No.\nError class: of_my_own. Attempts: 1. Packages hash: h."
    found = parse_result(text)
    assert found is not None
    assert (found.error_class, found.error_message) == ("unknown", "No.")


def test_no_control_character_of_a_pod_reaches_a_condition() -> None:
    text = "N\x1b[2Jo.\nError class: network. Attempts: 1. Packages hash: h."
    found = parse_result(text)
    assert found is not None
    assert found.error_message == "N [2Jo."

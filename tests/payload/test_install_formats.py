"""Requests and records of other releases, and a third installer."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.payload.conftest import Ended, Object, Pod
from wheelwarden.payload.bundler import modules_of, pack

PACKAGE = "wheelwarden.payload.install"


def installed(pod: Pod, text: str) -> Ended:
    """Runs the installer with this text as its request."""
    return pod.install({}, variables={"WHEELWARDEN_REQUEST": text})


@pytest.mark.parametrize(("on_failure", "code"), [("block", 1), ("allow", 0)])
def test_a_request_of_another_version_is_a_failed_result_with_the_reason(pod: Pod, on_failure: str, code: int) -> None:
    request = {"version": 2, "hash": "0123456789abcdef", "onFailure": on_failure, "requirements": ["six"]}
    ended = installed(pod, json.dumps(request))
    message = (
        "The install request has version 2, but this release reads version 1. "
        "Webhook and installer must be of the same release: see tools.image."
    )
    assert (ended.code, ended.output) == (code, f"FAILED (unknown): {message}\n")
    assert ended.result["error"] == {"class": "unknown", "message": message}
    assert ended.result["hash"] == "0123456789abcdef"
    assert list(pod.store.iterdir()) == []


def test_a_text_that_is_not_json_is_a_failed_result_too(pod: Pod) -> None:
    ended = installed(pod, "six")
    assert ended.code == 1
    assert ended.result["error"] == {
        "class": "unknown",
        "message": "The install request is not JSON: Expecting value: line 1 column 1 (char 0).",
    }


def test_a_record_of_another_version_is_a_failed_result_that_names_the_directory(pod: Pod, open_index: Object) -> None:
    first = pod.install(pod.request("six", **open_index))
    directory = pod.store / first.result["key"]
    record = json.loads((directory / "record.json").read_text())
    (directory / "record.json").write_text(json.dumps({**record, "version": 2}))
    second = Pod(python=pod.python, store=pod.store, view=pod.view.with_name("pod-1"))
    ended = second.install(second.request("six", **open_index))
    assert ended.code == 1
    assert ended.result["error"] == {
        "class": "unknown",
        "message": (
            "See pod logs for details. The record of these packages on the volume has version 2, but this release reads "
            f"version 1. Remove its directory from the volume to install the packages again. The directory is {directory}."
        ),
    }


THIRD = """
import os


class Third:
    def __init__(self, workplace):
        self.workplace = workplace

    def version(self):
        return "third 1.0"

    def changes(self, packages, deadline):
        return None

    def install(self, requirements, options, ahead, changes, deadline):
        target = options[options.index("--target") + 1]
        os.mkdir(os.path.join(target, "six-1.0.dist-info"))
        with open(os.path.join(target, "six.py"), "w") as file:
            file.write("answer = 42")
"""


def with_third() -> Mapping[str, tuple[str, str]]:
    """The modules of the installer, with one more module and one line that registers it."""
    modules = modules_of(f"{PACKAGE}.__main__")
    path, source = modules[f"{PACKAGE}.installers"]
    line = '    "third": __import__("wheelwarden.payload.install.third", fromlist=["Third"]).Third,\n}\n'
    registered = source.replace('    "uv": Uv,\n}\n', f'    "uv": Uv,\n{line}')
    assert registered != source
    return {
        **modules,
        f"{PACKAGE}.installers": (path, registered),
        f"{PACKAGE}.third": ("bundle:third.py", THIRD),
    }


def test_a_third_installer_is_one_module_and_one_line(pod: Pod) -> None:
    text = pack(f"{PACKAGE}.__main__", with_third())
    ended = pod.install(pod.request("six", installer="third"), text=text)
    assert (ended.code, ended.result["installer"], ended.result["installed"]) == (0, "third 1.0", ["six==1.0"]), (
        ended.output
    )
    code = "import six; print(six.answer)"
    environment = os.environ | {"PYTHONPATH": str(pod.view / "site-packages")}
    done = subprocess.run([pod.python, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert list(Path(pod.view / "site-packages" / "__pycache__").glob("six.*.pyc"))


def test_an_unknown_installer_is_a_failed_result(pod: Pod) -> None:
    ended = pod.install(pod.request("six", installer="third"))
    assert ended.code == 1
    assert ended.result["error"] == {
        "class": "unknown",
        "message": (
            "See pod logs for details. The request names the installer third, but this release only has pip and uv."
        ),
    }

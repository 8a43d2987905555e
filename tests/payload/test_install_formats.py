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
    """What comes of a request that is this text."""
    return pod.install({}, variables={"WHEELWARDEN_REQUEST": text})


@pytest.mark.parametrize(("on_failure", "code"), [("block", 1), ("allow", 0)])
def test_a_request_of_another_version_is_a_failed_result_that_says_so(pod: Pod, on_failure: str, code: int) -> None:
    request = {"version": 2, "hash": "0123456789abcdef", "onFailure": on_failure, "wishes": ["six"]}
    ended = installed(pod, json.dumps(request))
    told = (
        "The install request has version 2, and this release reads version 1. "
        "Webhook and installer have to be of one release: see tools.image."
    )
    assert (ended.code, ended.output) == (code, f"FAILED (unknown): {told}\n")
    assert ended.result["error"] == {"class": "unknown", "message": told}
    assert ended.result["hash"] == "0123456789abcdef"
    assert list(pod.store.iterdir()) == []


def test_what_is_no_request_is_a_failed_result_too(pod: Pod) -> None:
    ended = installed(pod, "six")
    assert ended.code == 1
    assert ended.result["error"] == {
        "class": "unknown",
        "message": "The install request is no JSON: Expecting value: line 1 column 1 (char 0).",
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
            "See pod logs for details. The record of these packages on the volume has version 2, and this release reads "
            f"version 1. Remove that directory of the volume, and the packages are installed again. It is {directory}."
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
    """The installer with one module more, and one line for it."""
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


def test_an_installer_that_nobody_knows_is_a_failed_result(pod: Pod) -> None:
    ended = pod.install(pod.request("six", installer="third"))
    assert ended.code == 1
    assert ended.result["error"] == {
        "class": "unknown",
        "message": (
            "See pod logs for details. The request asks for the installer third, and this release has pip and uv."
        ),
    }

"""Packages of the image are neither installed again nor hidden."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.payload.conftest import Object, Pod, make_python
from wheelwarden.payload import probe_argv
from wheelwarden.verify.results import parse_report


@pytest.fixture
def image(tmp_path: Path, open_index: Object) -> str:
    """The interpreter of an image that has six 1.16.0."""
    python = make_python(tmp_path)
    index = ["--index-url", open_index["indexUrl"], "--trusted-host", open_index["trustedHosts"][0]]
    subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", *index, "six==1.16.0"], check=True)
    return python


def in_image(pod: Pod, python: str) -> Pod:
    return Pod(store=pod.store, view=pod.view, python=python)


def site_packages(pod: Pod) -> set[str]:
    return {path.name for path in (pod.view / "site-packages").iterdir()}


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_package_of_the_image_that_fits_is_not_installed_again(
    pod: Pod, image: str, open_index: Object, installer: str
) -> None:
    pod = in_image(pod, image)
    ended = pod.install(pod.request("six>=1.16", "ww-twoface", installer=installer, **open_index))
    assert ended.code == 0
    assert ended.result["installed"] == ["ww-twoface==1.0"]
    assert ended.result["provided"] == ["six==1.16.0"]
    assert ended.result["warnings"] == []
    assert "six.py" not in site_packages(pod)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_nothing_is_installed_if_the_image_provides_all_packages(
    pod: Pod, image: str, open_index: Object, installer: str
) -> None:
    pod = in_image(pod, image)
    ended = pod.install(pod.request("six", installer=installer, **open_index))
    assert (ended.result["outcome"], ended.result["installed"]) == ("installed", [])
    assert ended.result["provided"] == ["six==1.16.0"]
    assert site_packages(pod) == set()


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_overriding_a_version_of_the_image_is_a_warning_that_names_both(
    pod: Pod, image: str, open_index: Object, installer: str
) -> None:
    pod = in_image(pod, image)
    ended = pod.install(pod.request("six==1.17.0", installer=installer, **open_index))
    assert (ended.result["installed"], ended.result["provided"]) == (["six==1.17.0"], [])
    assert ended.result["warnings"] == [
        "six==1.17.0 overrides the image's six==1.16.0: other packages of the image may require that version"
    ]


def test_packages_that_the_image_provides_are_probed_too(pod: Pod, image: str, open_index: Object) -> None:
    pod = in_image(pod, image)
    pod.install(pod.request("six>=1.16", "ww-twoface", **open_index))
    asked: dict[str, Any] = {
        "version": 1, "modules": [], "distributions": ["six", "ww-twoface"],
        "searchPath": str(pod.view / "site-packages"), "deadlineSeconds": 30, "totalSeconds": 60,
    }  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": asked["searchPath"]}
    done = subprocess.run(
        probe_argv(image, asked), env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    results = {result.module: result.ok for result in parse_report(done.stdout).results}
    assert results["six"] is True
    assert len(results) > 1


def test_another_image_gets_its_own_directory(pod: Pod, image: str, open_index: Object) -> None:
    with_six = in_image(Pod(store=pod.store, view=pod.view.with_name("pod-1"), python=image), image)
    first = pod.install(pod.request("six>=1.16", **open_index))
    second = with_six.install(with_six.request("six>=1.16", **open_index))
    assert first.result["key"] != second.result["key"]
    assert (len(first.result["installed"]), second.result["installed"]) == (1, [])

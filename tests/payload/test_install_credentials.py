"""Credentials open the index and appear nowhere else."""

import base64
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import artifacts, index, packages
from tests.cluster.index import RunningIndex
from tests.payload.conftest import Ended, Object, Pod

ASKED = {"secret": "pypi-credentials", "usernameKey": "username", "passwordKey": "password"}


def private(index: RunningIndex) -> Object:
    host = urllib.parse.urlsplit(index.private_url).netloc
    return {"indexUrl": index.private_url, "trustedHosts": [host], "credentials": ASKED}


def assert_secret_hidden(pod: Pod, ended: Ended, secret: str) -> None:
    forms = [secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), secret.replace('"', '\\"')]
    forms += [base64.b64encode(secret.encode()).decode()]
    texts = {"output": ended.output, "result": str(ended.result)}
    for folder in (pod.store, pod.view):
        for path in folder.rglob("*"):
            if path.is_file() and "uv-cache" not in path.parts and "site-packages" not in path.parts:
                texts[str(path)] = path.read_text(errors="replace")
    for where, text in texts.items():
        for form in forms:
            assert form not in text, where


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_password_full_of_special_characters_works_and_is_not_seen(
    pod: Pod, running_index: RunningIndex, installer: str
) -> None:
    ended = pod.install(
        pod.request("six", installer=installer, **private(running_index)),
        variables={"PYPI_USERNAME": running_index.user, "PYPI_PASSWORD": running_index.password},
    )
    assert (ended.code, ended.result["outcome"]) == (0, "installed"), ended.output
    assert_secret_hidden(pod, ended, running_index.password)


def test_a_netrc_works_and_is_not_seen(pod: Pod, running_index: RunningIndex) -> None:
    password = running_index.password.replace("\\", "\\\\").replace('"', '\\"')
    netrc = f'machine 127.0.0.1\nlogin {running_index.user}\npassword "{password}"\n'
    ended = pod.install(pod.request("six", **private(running_index)), variables={"PYPI_NETRC": netrc})
    assert ended.result["outcome"] == "installed"
    assert_secret_hidden(pod, ended, running_index.password)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_wrong_password_is_an_authentication_error(pod: Pod, running_index: RunningIndex, installer: str) -> None:
    ended = pod.install(
        pod.request("six", installer=installer, **private(running_index)),
        variables={"PYPI_USERNAME": running_index.user, "PYPI_PASSWORD": "wrong-but-also-secret"},
    )
    assert (ended.code, ended.result["error"]["class"]) == (1, "authentication"), ended.output
    assert_secret_hidden(pod, ended, "wrong-but-also-secret")


def test_missing_credentials_name_the_secret_and_its_keys(pod: Pod, running_index: RunningIndex) -> None:
    ended = pod.install(pod.request("six", **private(running_index)), variables={"PYPI_USERNAME": "only-a-name"})
    assert ended.result["error"]["class"] == "authentication"
    for word in ("pypi-credentials", "username", "password", "netrc"):
        assert word in ended.result["error"]["message"]


def test_credentials_are_never_sent_over_http(pod: Pod, running_index: RunningIndex) -> None:
    host = urllib.parse.urlsplit(running_index.open_url).netloc
    asked = pod.request("six", indexUrl=running_index.open_url, trustedHosts=[host], credentials=ASKED)
    ended = pod.install(asked, variables={"PYPI_USERNAME": "someone", "PYPI_PASSWORD": "something"})
    assert ended.result["error"]["class"] == "authentication"
    assert "https" in ended.result["error"]["message"]


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[tuple[RunningIndex, RunningIndex]]:
    """Two private indexes on two hosts. Only the second one has ww-twoface."""
    whole = packages.prepare(artifacts.CACHE)
    running = []
    for name, address, has_it in (("first", "127.0.0.1", False), ("second", "127.0.0.2", True)):
        folder = tmp_path / name
        folder.mkdir()
        for path in whole.iterdir():
            if path.is_file() and path.name.startswith("ww_twoface") == has_it:
                (folder / path.name).symlink_to(path)
        running.append(index.start(folder, address, tmp_path / f"{name}-state", open_port=0, private_port=0))
    yield running[0], running[1]
    for one in running:
        one.stop()


def both(first: RunningIndex, second: RunningIndex) -> Object:
    hosts = [urllib.parse.urlsplit(one.private_url).netloc for one in (first, second)]
    asked = {"indexUrl": first.private_url, "extraIndexUrls": [second.private_url], "trustedHosts": hosts}
    return {**asked, "credentials": ASKED}


def test_a_netrc_file_works_for_several_hosts(pod: Pod, two_hosts: tuple[RunningIndex, RunningIndex]) -> None:
    password = two_hosts[0].password.replace("\\", "\\\\").replace('"', '\\"')
    netrc = "".join(
        f'machine {address}\nlogin {two_hosts[0].user}\npassword "{password}"\n'
        for address in ("127.0.0.1", "127.0.0.2")
    )
    ended = pod.install(pod.request("six", "ww-twoface", **both(*two_hosts)), variables={"PYPI_NETRC": netrc})
    assert ended.result["installed"] == ["six==1.17.0", "ww-twoface==1.0"], ended.output
    assert_secret_hidden(pod, ended, two_hosts[0].password)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_password_is_sent_only_to_the_host_of_the_first_index(
    pod: Pod, two_hosts: tuple[RunningIndex, RunningIndex], installer: str
) -> None:
    """The second host accepts the same password, so the installation fails only if the password is not sent to it."""
    first, second = two_hosts
    ended = pod.install(
        pod.request("six", "ww-twoface", installer=installer, **both(first, second)),
        variables={"PYPI_USERNAME": first.user, "PYPI_PASSWORD": first.password},
    )
    assert (ended.code, ended.result["outcome"]) == (1, "failed"), ended.output
    assert ended.result["error"]["class"] in ("authentication", "package_not_found")

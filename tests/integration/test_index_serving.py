"""The test cluster's package index, asked by the real uv and the real pip of this machine."""

import base64
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.cluster import artifacts, index, packages

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[index.RunningIndex]:
    folder = packages.prepare(artifacts.CACHE)
    started = index.start(folder, "127.0.0.1", tmp_path_factory.mktemp("index"), open_port=0, private_port=0)
    yield started
    started.stop()


@pytest.fixture
def home(tmp_path: Path, running: index.RunningIndex) -> Path:
    """A home folder with a netrc, the password in quotes with backslashes before `"` and `\\`: uv and pip read that."""
    quoted = running.password.replace("\\", "\\\\").replace('"', '\\"')
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".netrc").touch(mode=0o600)
    (folder / ".netrc").write_text(f'machine 127.0.0.1 login {running.user} password "{quoted}"\n')
    return folder


def install(home: Path, argv: list[str | Path], **env: str) -> tuple[int, str]:
    """Exit code and everything said, in an environment that knows of no other index and no other certificates."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))}
    unset = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC")
    clean = {name: value for name, value in clean.items() if name not in unset}
    config = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "HOME": str(home)}
    done = subprocess.run(argv, env={**clean, **config, **env}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def by_uv(target: Path, url: str, *wanted: str) -> list[str | Path]:
    words: list[str | Path] = [UV, "pip", "install", "--no-cache", "--python", sys.executable, "--target", target]
    return [*words, "--default-index", url, *wanted]


def by_pip(target: Path, url: str, *wanted: str) -> list[str | Path]:
    words: list[str | Path] = [sys.executable, "-m", "pip", "install", "--no-input", "--no-cache-dir"]
    return [*words, "--disable-pip-version-check", "--target", target, "--index-url", url, *wanted]


def distributions(target: Path) -> list[str]:
    return sorted(path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info"))


Command = Callable[..., list[str | Path]]


@pytest.mark.parametrize("command", [by_uv, by_pip])
def test_uv_and_pip_install_from_the_open_index(
    running: index.RunningIndex, home: Path, tmp_path: Path, command: Command
) -> None:
    site = tmp_path / "site"

    code, said = install(home, command(site, running.open_url, "six==1.16.0", "ww-sdist"))

    assert (code, distributions(site)) == (0, ["six-1.16.0", "ww_sdist-1.0"]), said


def test_uv_installs_from_the_private_index_with_netrc_and_the_tests_authority(
    running: index.RunningIndex, home: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"

    code, said = install(home, by_uv(site, running.private_url, "six"), SSL_CERT_FILE=str(running.ca))

    assert (code, distributions(site)) == (0, ["six-1.17.0"]), said


def test_pip_installs_from_the_private_index_with_netrc_and_the_tests_authority(
    running: index.RunningIndex, home: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"

    code, said = install(home, [*by_pip(site, running.private_url, "six"), "--cert", running.ca])

    assert (code, distributions(site)) == (0, ["six-1.17.0"]), said


def test_a_real_package_comes_with_its_dependencies(running: index.RunningIndex, home: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"

    code, said = install(home, by_uv(site, running.open_url, "requests", "numpy"))

    names = [name.rpartition("-")[0] for name in distributions(site)]
    assert (code, names) == (0, ["certifi", "charset_normalizer", "idna", "numpy", "requests", "urllib3"]), said


@pytest.mark.parametrize("account", [None, ("wheelwarden", "wrong"), ("somebody", index.PASSWORD)])
def test_the_private_index_refuses_a_stranger(running: index.RunningIndex, account: tuple[str, str] | None) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(running, f"{running.private_url}six/", account)
    caught.value.close()

    assert caught.value.code == (401 if account is None else 403)


def test_both_serve_the_same_pages(running: index.RunningIndex) -> None:
    with (
        ask(running, f"{running.open_url}six/") as opened,
        ask(running, f"{running.private_url}six/", (running.user, running.password)) as private,
    ):
        assert opened.read() == private.read()


def test_neither_takes_uploads(running: index.RunningIndex) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(running, running.open_url.removesuffix("simple/"), (running.user, running.password), body=b":action=x")
    caught.value.close()

    assert caught.value.code == 403


def test_an_access_log_tells_what_was_asked_and_no_password(
    running: index.RunningIndex, home: Path, tmp_path: Path
) -> None:
    install(home, by_uv(tmp_path / "site", running.private_url, "ww-versions"), SSL_CERT_FILE=str(running.ca))
    install(home, by_uv(tmp_path / "site", running.open_url, "nowhere"))

    asked = [line.split()[1:] for line in running.private_log.read_text().splitlines()]
    missed = [line.split()[1:] for line in running.open_log.read_text().splitlines()]
    assert ["127.0.0.1", "GET", "/packages/ww_versions-2.0-py3-none-any.whl", "200"] in asked
    assert ["127.0.0.1", "GET", "/simple/nowhere/", "404"] in missed
    everything = "".join(path.read_text() for path in running.open_log.parent.glob("*.log"))
    assert [part for part in (running.password, "p@ss", "Authorization", "Basic ") if part in everything] == []


def test_a_taken_port_is_told(running: index.RunningIndex, tmp_path: Path) -> None:
    taken = int(running.open_url.split(":")[2].partition("/")[0])

    with pytest.raises(
        index.IndexStartError, match=f"cannot listen on 127.0.0.1 port {taken}: .*Address already in use"
    ):
        index.start(tmp_path, "127.0.0.1", tmp_path / "state", open_port=taken, private_port=0)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(index.IndexStartError, match=f"there is no folder {tmp_path}/nowhere to serve packages from"):
        index.start(tmp_path / "nowhere", "127.0.0.1", tmp_path / "state", open_port=0, private_port=0)


def test_once_stopped_nothing_answers(tmp_path: Path) -> None:
    started = index.start(tmp_path, "127.0.0.1", tmp_path / "state", open_port=0, private_port=0)
    with ask(started, started.open_url) as answer:
        assert answer.status == 200

    started.stop()
    started.stop()

    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        ask(started, started.open_url)


def ask(
    running: index.RunningIndex, url: str, account: tuple[str, str] | None = None, body: bytes | None = None
) -> HTTPResponse:
    request = urllib.request.Request(url, body)
    if account is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(':'.join(account).encode()).decode()}")
    trusting = ssl.create_default_context(cafile=running.ca)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusting))
    answer = opener.open(request, timeout=30)
    assert isinstance(answer, HTTPResponse)
    return answer

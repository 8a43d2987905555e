"""The main task of the installer: a directory is created once, and is complete as soon as it has its name."""

import json
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.payload.conftest import Object, Pod, make_python, patched


def directories(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if not path.name.startswith("."))


def staged(store: Path) -> list[Path]:
    return list((store / ".wheelwarden" / "staging").iterdir())


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_first_pod_installs_and_the_second_one_reuses_it(pod: Pod, open_index: Object, installer: str) -> None:
    first = pod.install(pod.request("six==1.16.0", "ww-twoface", installer=installer, **open_index))
    assert (first.code, first.result["outcome"], first.result["error"]) == (0, "installed", None)
    assert first.result["installed"] == ["six==1.16.0", "ww-twoface==1.0"]
    assert first.result["installer"].startswith(installer)
    assert first.result["installedBy"] == "pod-0"
    key = first.result["key"]
    assert directories(pod.store) == [key]
    assert staged(pod.store) == []
    assert (pod.view / "site-packages").resolve() == pod.store / key / "site-packages"
    assert (pod.view / "site-packages" / "six.py").exists()
    assert json.loads((pod.view / ".installed-0123456789abcdef").read_text())["installed"] == first.result["installed"]
    assert json.loads((pod.store / key / "record.json").read_text())["outcome"] == "installed"
    assert not (pod.view / ".tmp").exists()

    second = Pod(python=pod.python, store=pod.store, view=pod.view.with_name("pod-1"))
    ended = second.install(second.request("six==1.16.0", "ww-twoface", installer=installer, **open_index))
    assert (ended.code, ended.result["outcome"], ended.result["installedBy"]) == (0, "reused", "pod-0")
    assert ended.result["installedAt"] == first.result["installedAt"]
    assert "Packages already installed" in ended.output


def test_the_inline_mode_installs_too(pod: Pod, open_index: Object) -> None:
    assert pod.install(pod.request("six", **open_index), inline=True).result["outcome"] == "installed"


def test_ten_pods_that_start_together_install_once(pod: Pod, open_index: Object) -> None:
    pods = [Pod(python=pod.python, store=pod.store, view=pod.view.with_name(f"pod-{number}")) for number in range(10)]
    running = [(one, one.start(one.request("six", "requests", **open_index))) for one in pods]
    ended = [one.end(process) for one, process in running]
    assert [one.code for one in ended] == [0] * 10
    assert sorted(one.result["outcome"] for one in ended) == ["installed"] + ["reused"] * 9
    assert len(directories(pod.store)) == 1
    assert staged(pod.store) == []
    for one in pods:
        assert (one.view / "site-packages" / "six.py").exists()


def test_packages_are_byte_compiled_and_readable_by_other_uids(pod: Pod, open_index: Object) -> None:
    ended = pod.install(pod.request("six", **open_index))
    folder = pod.store / ended.result["key"]
    assert list((folder / "site-packages" / "__pycache__").glob("six.*.pyc"))
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode
        assert mode & stat.S_IROTH, path
        assert not path.is_dir() or mode & stat.S_IXOTH, path
    assert (pod.store / ".wheelwarden").stat().st_mode & 0o1777 == 0o1777


def test_other_uids_install_into_the_same_store(pod: Pod, open_index: Object) -> None:
    requests = [("six", "a" * 16), ("idna", "b" * 16), ("six", "c" * 16)]
    for (package, digest), uid in zip(requests, (1000, 2000, 3000), strict=True):
        one = Pod(python=pod.python, store=pod.store, view=pod.view.with_name(f"pod-{uid}"), uid=uid)
        ended = one.install(one.request(package, **{**open_index, "hash": digest}))
        assert (ended.code, ended.result["outcome"], ended.result["warnings"]) == (0, "installed", []), ended.output
        folder = pod.store / ended.result["key"]
        assert folder.stat().st_uid == uid
        assert list((folder / "site-packages").rglob("*.pyc"))


class Hanging(BaseHTTPRequestHandler):
    """An index that does not answer until `release` is set."""

    release = threading.Event()

    def do_GET(self) -> None:
        self.release.wait(60)
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hanging_index() -> Iterator[Object]:
    Hanging.release.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host = f"127.0.0.1:{server.server_address[1]}"
    yield {"indexUrl": f"http://{host}/simple/", "trustedHosts": [host]}
    Hanging.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> str:
    seen = ""
    assert process.stdout is not None
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} was not printed:\n{seen}")


def test_a_waiting_installer_takes_over_from_one_that_was_killed(
    pod: Pod, open_index: Object, hanging_index: Object, tmp_path: Path
) -> None:
    holder = pod.start(pod.request("six", **hanging_index))
    wait_for_line(holder, "Installing 1 for")
    # Another interpreter, as in another container: processes that the killed one left running lock only their own.
    waiter = Pod(python=make_python(tmp_path), store=pod.store, view=pod.view.with_name("pod-1"))
    waiting = waiter.start(waiter.request("six", **open_index))
    wait_for_line(waiting, "waiting for it")
    holder.kill()
    holder.communicate()
    ended = waiter.end(waiting)
    assert (ended.code, ended.result["outcome"]) == (0, "installed")
    assert len(directories(pod.store)) == 1


def test_a_holder_without_heartbeat_is_not_waited_for_forever(pod: Pod, open_index: Object, tmp_path: Path) -> None:
    impatient = patched("install", "HOLDER_DEAD_SECONDS = 20.0", "HOLDER_DEAD_SECONDS = 0.5")
    pod.install(pod.request("no-such-thing", **open_index))  # creates the folders of the store and the lock
    locks = [path for path in (pod.store / ".wheelwarden" / "locks").iterdir() if path.suffix != ".heartbeat"]
    import fcntl

    with locks[0].open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = pod.install(pod.request("six", **open_index), text=impatient)
    assert "taking over" in ended.output
    assert (ended.code, ended.result["outcome"]) == (0, "installed")


def test_sigterm_stops_it_and_leaves_no_incomplete_directory(pod: Pod, hanging_index: Object) -> None:
    process = pod.start(pod.request("six", **hanging_index))
    wait_for_line(process, "Installing 1 for")
    process.send_signal(signal.SIGTERM)
    ended = pod.end(process)
    assert (ended.code, ended.result["outcome"]) == (143, "failed")
    assert directories(pod.store) == []
    assert staged(pod.store) == []


def test_a_slow_attempt_is_stopped_as_a_timeout(pod: Pod, hanging_index: Object) -> None:
    ended = pod.install(pod.request("six", timeoutSeconds=1, retries=2, **hanging_index))
    assert (ended.code, ended.result["error"]["class"], ended.result["attempts"]) == (1, "timeout", 2)
    assert "installPolicy.timeout" in ended.result["error"]["message"]
    assert staged(pod.store) == []


def test_onfailure_allow_exits_with_0_and_reports_the_failure(pod: Pod, open_index: Object) -> None:
    ended = pod.install(pod.request("this-does-not-exist-12345", onFailure="allow", **open_index))
    assert (ended.code, ended.result["outcome"]) == (0, "failed")
    assert not (pod.view / "site-packages").exists()
    assert not list(pod.view.glob(".installed-*"))


def test_the_first_index_that_has_a_package_wins(pod: Pod, open_index: Object, tmp_path: Path) -> None:
    """`indexUrl` only has six 1.16.0. The open index after it also has six 1.17.0 and ww-twoface."""
    mine = tmp_path / "mine" / "six"
    mine.mkdir(parents=True)
    from tests.cluster import artifacts, packages

    wheel = next(packages.prepare(artifacts.CACHE).glob("six-1.16.0-*.whl"))
    (mine / wheel.name).write_bytes(wheel.read_bytes())
    from functools import partial
    from http.server import SimpleHTTPRequestHandler

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mine")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        host = f"127.0.0.1:{server.server_address[1]}"
        ended = pod.install(
            pod.request(
                "six",
                "ww-twoface",
                indexUrl=f"http://{host}/",
                extraIndexUrls=[open_index["indexUrl"]],
                trustedHosts=[host, *open_index["trustedHosts"]],
            )
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert ended.result["installed"] == ["six==1.16.0", "ww-twoface==1.0"]


def test_without_an_index_the_pip_configuration_of_the_image_is_used(pod: Pod, open_index: Object) -> None:
    variables = {"PIP_INDEX_URL": open_index["indexUrl"], "PIP_TRUSTED_HOST": open_index["trustedHosts"][0]}
    assert pod.install(pod.request("six==1.17.0"), variables=variables).result["installed"] == ["six==1.17.0"]


def test_the_entries_of_the_images_pythonpath_are_linked(pod: Pod, open_index: Object) -> None:
    pod.install(pod.request("six", **open_index), variables={"PYTHONPATH": "/srv/own::relative:/opt/kaspr/packages"})
    links = {path.name: str(path.readlink()) for path in pod.view.glob("image-*")}
    assert links == {"image-0": "/srv/own", "image-1": "/opt/kaspr/packages"}


def test_a_hostile_environment_and_working_directory_do_no_harm(pod: Pod, open_index: Object, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "json.py").write_text("raise SystemExit('imported by accident')\n")
    import os

    before = Path.cwd()
    os.chdir(work)
    try:
        variables = {
            "HOME": "/proc/nowhere",
            "TMPDIR": "/proc/nowhere",
            "UV_CACHE_DIR": "/proc/x",
            "PIP_TARGET": "/proc/y",
        }
        ended = pod.install(pod.request("ww-sdist", **open_index), variables=variables)
    finally:
        os.chdir(before)
    assert (ended.code, ended.result["outcome"]) == (0, "installed"), ended.output
    assert [path.name for path in work.iterdir()] == ["json.py"]


def test_on_another_owners_volume_everything_is_in_one_folder_and_the_owner_gets_its_marker(
    pod: Pod, open_index: Object
) -> None:
    pod.view.mkdir()
    (pod.store / "six.py").write_text("of the owner's own installer")
    marker = pod.view / ".installed-owners"
    request = pod.request("six==1.16.0", **open_index, store=str(pod.store / ".wheelwarden"), ownersMarker=str(marker))
    ended = pod.install(request)
    assert ended.result["outcome"] == "installed"
    assert sorted(path.name for path in pod.store.iterdir()) == [".wheelwarden", "six.py"]
    assert (pod.store / "six.py").read_text() == "of the owner's own installer"
    assert (pod.view / "site-packages").resolve().parent.parent == pod.store / ".wheelwarden"
    found = json.loads(marker.read_text())
    assert found == {
        "packages": ["six==1.16.0"],
        "install_time": ended.result["installedAt"],
        "duration": found["duration"],
        "pod_name": "pod-0",
    }
    assert found["duration"].endswith("s")


# pip does not parse `name @ git+file://…`, because it has no host. References of users have one.
@pytest.mark.parametrize(
    ("installer", "form"), [("uv", "ww-from-git @ {}"), ("uv", "{}#egg=ww-from-git"), ("pip", "{}#egg=ww-from-git")]
)
def test_a_git_reference_is_installed_if_the_image_has_git(
    pod: Pod, open_index: Object, tmp_path: Path, installer: str, form: str
) -> None:
    source = tmp_path / "source"
    (source / "ww_from_git").mkdir(parents=True)
    (source / "ww_from_git" / "__init__.py").write_text("answer = 42\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "ww-from-git"\nversion = "3.1"\n'
    )
    as_somebody = ["-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "v3"]):
        subprocess.run(["git", "-C", str(source), *as_somebody, *words], check=True)
    reference = form.format(f"git+file://{source}@v3")
    ended = pod.install(pod.request(reference, "six", installer=installer, **open_index))
    assert ended.result["installed"] == ["six==1.17.0", "ww-from-git==3.1"], ended.output
    assert (pod.view / "site-packages" / "ww_from_git" / "__init__.py").exists()

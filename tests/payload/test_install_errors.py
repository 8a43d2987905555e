"""Every class of error from a real cause, with uv and with pip: the whole message, as a condition shows it.

The messages contain texts of the tools: uv is pinned, pip is the one of the interpreter.
"""

import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.index import RunningIndex
from tests.payload.conftest import Ended, Object, Pod, index_of, make_wheel, mount_sized, patched
from tests.payload.test_install import hanging_index
from tests.payload.test_install_credentials import private

__all__ = ["hanging_index"]

NETWORK = "Cannot reach package index. Check network connectivity and firewall rules. "
NOT_FOUND = "Package not found in index. Verify package name and version. "
HASH = "Package integrity check failed. Package may be corrupted. "
AUTHENTICATION = "Authentication failed. Check credentials in referenced Secret. "
TIMEOUT = "Installation timed out. Consider increasing installPolicy.timeout. "
DISK = "The package volume is full. Increase cache.size. "
BUILD = "A package could not be built from source. Choose a version that has a wheel, or an image with the build tools "
BUILD += "it needs. "
PYTHON = "No version of a package fits the image's Python or platform. Choose another version or image. "
GIT = "The image has no git, which a git+ requirement needs. Use an image that has git, or a package from an index. "
UNKNOWN = "See pod logs for details. "

# pip would otherwise retry for eight seconds. For uv the workload has no such setting.
FEW_RETRIES = {"PIP_RETRIES": "1"}

both = pytest.mark.parametrize("installer", ["uv", "pip"])


def assert_failed(ended: Ended, kind: str, message: str) -> None:
    assert (ended.code, ended.result["outcome"]) == (1, "failed"), ended.output
    assert ended.result["error"] == {"class": kind, "message": message}, ended.output
    assert f"FAILED ({kind}): {message}" in ended.output


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The host of an index that answers every page with this status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def closed_port() -> Iterator[str]:
    """A host and port where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


def first(host: str, second: Object | None = None) -> Object:
    """The part of a request that names an index on this host, and perhaps a second one."""
    asked: Object = {"indexUrl": f"http://{host}/simple/", "trustedHosts": [host]}
    if second is not None:
        asked["extraIndexUrls"] = [second["indexUrl"]]
        asked["trustedHosts"] += second["trustedHosts"]
    return asked


@both
@pytest.mark.parametrize("second", [False, True])
def test_an_unreachable_first_index_is_a_network_error_and_the_second_is_not_used(
    pod: Pod, open_index: Object, installer: str, second: bool
) -> None:
    with closed_port() as host:
        ended = pod.install(
            pod.request("six", installer=installer, **first(host, open_index if second else None)),
            variables=FEW_RETRIES,
        )
    page = f"http://{host}/simple/six/"
    messages = {
        "uv": f"Failed to fetch: {page}: Connection refused (os error 111)",
        "pip": f"{page}: Failed to establish a new connection: [Errno 111] Connection refused",
    }
    assert_failed(ended, "network", NETWORK + messages[installer])
    assert not (pod.view / "site-packages").exists()


@both
@pytest.mark.parametrize(("status", "kind"), [(503, "network"), (403, "authentication")])
def test_a_first_index_that_answers_with_an_error_is_not_skipped_either(
    pod: Pod, open_index: Object, installer: str, status: int, kind: str
) -> None:
    with answering(status) as host:
        ended = pod.install(pod.request("six", installer=installer, **first(host, open_index)), variables=FEW_RETRIES)
    assert ended.result["error"]["class"] == kind, ended.output
    assert host in ended.result["error"]["message"]
    assert not (pod.view / "site-packages").exists()


@both
def test_only_a_package_that_is_not_found_leads_to_the_next_index(pod: Pod, open_index: Object, installer: str) -> None:
    with answering(404) as host:
        ended = pod.install(pod.request("six", installer=installer, **first(host, open_index)))
    assert (ended.code, ended.result["installed"]) == (0, ["six==1.17.0"]), ended.output


@both
def test_an_unreachable_second_index_does_not_matter_if_the_first_has_all_packages(
    pod: Pod, open_index: Object, installer: str
) -> None:
    with closed_port() as host:
        asked = {**open_index, "extraIndexUrls": [f"http://{host}/simple/"]}
        ended = pod.install(pod.request("six", installer=installer, **asked), variables=FEW_RETRIES)
    assert (ended.code, ended.result["installed"]) == (0, ["six==1.17.0"]), ended.output


@both
def test_an_untrusted_certificate_is_a_network_error(pod: Pod, running_index: RunningIndex, installer: str) -> None:
    ended = pod.install(pod.request("six", installer=installer, indexUrl=running_index.private_url))
    assert ended.result["error"]["class"] == "network", ended.output
    assert ended.result["error"]["message"].startswith(NETWORK)
    assert urlsplit(running_index.private_url).netloc in ended.result["error"]["message"]
    assert "certificate" in ended.result["error"]["message"]


@both
@pytest.mark.parametrize(
    ("requirements", "by_uv", "by_pip"),
    [
        (
            ["no-such-thing-1"],
            (
                "Because no-such-thing-1 was not found in the package registry and you require no-such-thing-1, we can "
                "conclude that your requirements are unsatisfiable."
            ),
            (
                "Could not find a version that satisfies the requirement no-such-thing-1 (from versions: none) "
                "No matching distribution found for no-such-thing-1"
            ),
        ),
        (
            ["six==99"],
            (
                "Because there is no version of six==99 and you require six==99, we can conclude that your requirements are "
                "unsatisfiable."
            ),
            (
                "Could not find a version that satisfies the requirement six==99 (from versions: 1.16.0, 1.17.0) "
                "No matching distribution found for six==99"
            ),
        ),
        (
            ["six==1.16.0", "six==1.17.0"],
            "Because you require six==1.16.0 and six==1.17.0, we can conclude that your requirements are unsatisfiable.",
            (
                "Cannot install six==1.16.0 and six==1.17.0 because these package versions have conflicting dependencies. "
                "The conflict is caused by: The user requested six==1.16.0 The user requested six==1.17.0"
            ),
        ),
    ],
)
def test_package_not_found(
    pod: Pod, open_index: Object, installer: str, requirements: list[str], by_uv: str, by_pip: str
) -> None:
    ended = pod.install(pod.request(*requirements, installer=installer, retries=3, **open_index))
    assert_failed(ended, "package_not_found", NOT_FOUND + {"uv": by_uv, "pip": by_pip}[installer])
    assert ended.result["attempts"] == 1


@both
def test_a_missing_file_is_package_not_found_and_not_a_network_error(
    pod: Pod, open_index: Object, installer: str
) -> None:
    url = open_index["indexUrl"].replace("/simple/", "/packages/nothing-1.0-py3-none-any.whl")
    ended = pod.install(pod.request(f"nothing @ {url}", installer=installer, **open_index))
    messages = {
        "uv": f"HTTP status client error (404 Not Found) for url ({url})",
        "pip": f"HTTP error 404 while getting {url}",
    }
    assert_failed(ended, "package_not_found", NOT_FOUND + messages[installer])


@both
def test_hash_mismatch(pod: Pod, open_index: Object, installer: str) -> None:
    url = open_index["indexUrl"].replace("/simple/", "/packages/six-1.17.0-py2.py3-none-any.whl")
    reference = f"{url}#sha256={'0' * 64}"
    found = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
    messages = {
        "uv": f"Hash mismatch for `six @ {reference}` Expected: sha256:{'0' * 64} Computed: sha256:{found}",
        "pip": f"six@ {reference} from {reference}: Expected sha256 {'0' * 64} Got {found}",
    }
    ended = pod.install(pod.request(f"six @ {reference}", installer=installer, **open_index))
    assert_failed(ended, "hash_mismatch", HASH + messages[installer])


@both
def test_authentication(pod: Pod, running_index: RunningIndex, installer: str) -> None:
    ended = pod.install(
        pod.request("six", installer=installer, **private(running_index)),
        variables={"PYPI_USERNAME": running_index.user, "PYPI_PASSWORD": "wrong"},
    )
    url = running_index.private_url
    messages = {
        "uv": f"An index ({url}) returned a 403 Forbidden error. Check that the index URL is correct and the credentials "
        "are valid.",
        "pip": f"{url}six/: 403 Client Error: Forbidden",
    }
    assert_failed(ended, "authentication", AUTHENTICATION + messages[installer])


def test_missing_credentials(pod: Pod, running_index: RunningIndex) -> None:
    assert_failed(
        pod.install(pod.request("six", **private(running_index))),
        "authentication",
        AUTHENTICATION
        + "The Secret pypi-credentials does not exist or has neither the keys username and password nor a key "
        "netrc; create it in the namespace of the pod.",
    )


@both
def test_timeout(pod: Pod, hanging_index: Object, installer: str) -> None:
    ended = pod.install(pod.request("six", installer=installer, timeoutSeconds=2, **hanging_index))
    assert_failed(ended, "timeout", TIMEOUT + "The attempt was ended after 2 s.")


@both
def test_disk_full(pod: Pod, open_index: Object, installer: str) -> None:
    mount_sized(pod.store, 400 << 10)
    ended = pod.install(pod.request("idna", installer=installer, **open_index))
    assert ended.result["error"]["class"] == "disk_full", ended.output
    assert ended.result["error"]["message"].startswith(DISK)
    assert "No space left on device" in ended.result["error"]["message"]


@both
def test_build_failed(pod: Pod, open_index: Object, tmp_path: Path, installer: str) -> None:
    source = tmp_path / "broken"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "broken"\nversion = "1"\n'
    )
    (source / "setup.py").write_text("print('looking for it')\nraise SystemExit('no compiler here')\n")
    ended = pod.install(pod.request(f"broken @ {source.as_uri()}", installer=installer, **open_index))
    messages = {
        "uv": f"Failed to build `broken @ {source.as_uri()}`: Call to `setuptools.build_meta.get_requires_for_build_wheel` "
        "failed (exit status: 1) looking for it no compiler here",
        "pip": "Getting requirements to build wheel did not run successfully: no compiler here",
    }
    assert_failed(ended, "build_failed", BUILD + messages[installer])
    assert "looking for it" in ended.output


@both
def test_python_incompatible(pod: Pod, tmp_path: Path, installer: str) -> None:
    make_wheel(tmp_path / "wheels", "ww_future", Requires_Python=">=4")
    with index_of(tmp_path / "wheels") as where:
        ended = pod.install(pod.request("ww-future", installer=installer, **where))
    messages = {
        "uv": "Because ww-future==1.0 requires Python >=4 and only ww-future==1.0 is available, we can conclude that all "
        "versions of ww-future cannot be used. And because you require ww-future, we can conclude that your requirements "
        "are unsatisfiable.",
        "pip": f"Package 'ww-future' requires a different Python: {platform.python_version()} not in '>=4'",
    }
    assert_failed(ended, "python_incompatible", PYTHON + messages[installer])


@both
@pytest.mark.parametrize("form", ["ww-from-git @ {}", "{}#egg=ww-from-git"])
def test_git_missing(pod: Pod, open_index: Object, tmp_path: Path, installer: str, form: str) -> None:
    request = pod.request(form.format("git+https://127.0.0.1:1/ww.git@v3"), installer=installer, **open_index)
    messages = {
        "uv": "Git executable not found. Ensure that Git is installed and available.",
        "pip": "Error [Errno 2] No such file or directory: 'git' while executing command git version Cannot find command "
        "'git' - do you have 'git' installed and in your PATH?",
    }
    ended = pod.install(request, variables={"PATH": str(tmp_path)})
    assert_failed(ended, "git_missing", GIT + messages[installer])


@both
@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        (
            "git+https://127.0.0.1:1/ww.git@v3",
            "network",
            f"{NETWORK}unable to access 'https://127.0.0.1:1/ww.git/': Failed to connect to 127.0.0.1 port 1",
        ),
        (
            "git+file:///nowhere@v3",
            "package_not_found",
            f"{NOT_FOUND}'/nowhere' does not appear to be a git repository Could not read from remote repository.",
        ),
    ],
)
def test_the_message_of_git_is_reported(
    pod: Pod, open_index: Object, installer: str, reference: str, kind: str, message: str
) -> None:
    ended = pod.install(pod.request(f"{reference}#egg=ww", installer=installer, **open_index))
    assert (ended.code, ended.result["error"]["class"]) == (1, kind), ended.output
    assert ended.result["error"]["message"].startswith(message)


def test_unknown(pod: Pod, open_index: Object) -> None:
    mount_sized(pod.store, 1 << 20, "ro")
    assert_failed(
        pod.install(pod.request("six", **open_index)),
        "unknown",
        UNKNOWN + f"Cannot write to the package volume: [Errno 30] Read-only file system: '{pod.store}/.wheelwarden/'.",
    )


def test_a_bug_in_the_installer_is_reported_as_a_result(pod: Pod, open_index: Object) -> None:
    broken = patched("install", "LONGEST_PAUSE_SECONDS = 15", "RETRIED = LONGEST_PAUSE_SECONDS = {}['retries']")
    ended = pod.install(pod.request("six", **open_index), text=broken)
    assert (ended.code, ended.result["outcome"]) == (1, "failed")
    assert ended.result["error"] == {"class": "unknown", "message": "The installer itself failed: KeyError: 'retries'"}
    # The log has a traceback with source lines, although the source is in no file.
    assert 'installation.py", line' in ended.output
    assert "RETRIED = LONGEST_PAUSE_SECONDS = {}['retries']" in ended.output
    assert "Traceback" in ended.output


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", "no_SUCH.locale"])
def test_the_locale_of_the_image_does_not_matter(pod: Pod, open_index: Object, locale: str) -> None:
    variables = {"LC_ALL": locale, "LANG": locale, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = pod.install(pod.request("größe", **open_index), variables=variables)
    assert ended.result["error"]["class"] in ("package_not_found", "unknown"), ended.output
    assert "größe" in ended.result["error"]["message"]

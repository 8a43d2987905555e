"""Every example really installed: its packages from a private index and from a mirror, and its imports proven."""

import http.server
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.cluster import artifacts, authority, index
from tests.cluster.wheels import write_wheel
from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, PACKAGES_INSTALLED, Object, Workspace, wait_for

FOLDER = artifacts.REPOSITORY / "examples" / "python-packages"
FILES = [*sorted(FOLDER.glob("*.yaml")), FOLDER / "public-index.yaml.in"]
PRIVATE = {"company-lib", "my-company-lib", "internal-utils", "company-analytics-lib", "internal-ml-toolkit"}
# What is not a module of the distribution's own name; what is tested is the example, so a name is enough of a package.
MODULES: Mapping[str, Mapping[str, str]] = {
    "pandas": {"pandas/__init__.py": "class DataFrame: ...\n"},
    "scikit-learn": {"sklearn/__init__.py": "", "sklearn/linear_model.py": "class LinearRegression: ...\n"},
    "company-analytics-lib": {"company_analytics.py": ""},
}


def asked_of(example: Object) -> Object:
    """What an example asks for, by a copy."""
    if example["kind"] == "KasprApp":
        return dict(example["spec"]["pythonPackages"])
    asked: Object = yaml.safe_load(example["metadata"]["annotations"]["wheelwarden.dev/python-packages"])
    return asked


def write_packages(folder: Path, examples: Mapping[str, Object], *, private: bool) -> None:
    """A wheel for each version that an example names, of those names that one of the two indexes has."""
    for text in {text for example in examples.values() for text in asked_of(example)["packages"]}:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        versions = [item.version for item in requirement.specifier if item.operator in ("==", ">=")]
        if (name in PRIVATE) is not private:
            continue
        files = MODULES.get(name, {f"{name.replace('-', '_')}.py": ""})
        contents = {path: code.encode() for path, code in files.items()}
        for version in versions or ["1.0.0"]:
            write_wheel(folder, name, version, contents, summary="stands for the real one")


@contextmanager
def mirror(folder: Path, address: str) -> Iterator[str]:
    """The wheels of a folder as an index over TLS, without a password; its URL."""
    for wheel in folder.glob("*.whl"):
        page = folder / "simple" / canonicalize_name(wheel.name.partition("-")[0]) / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a") as stream:
            stream.write(f'<a href="/{wheel.name}">{wheel.name}</a>\n')
    certificate, key = authority.issue(authority.prepare(artifacts.CACHE), (address,), folder / "certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer((address, 0), partial(Quiet, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://{address}:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The files of a folder, and no word about it."""

    def log_message(self, *_: Any) -> None:
        pass


def read(file: Path) -> Object:
    obj: Object = yaml.safe_load(file.read_text())
    return obj


def localize(example: Object, workspace: Workspace, hosts: Mapping[str, str]) -> Object:
    """An example as it is applied here: other hosts, one small pod, an image and a storage class that are there."""
    text = yaml.safe_dump(example)
    for there, here in hosts.items():
        text = text.replace(there, here)
    changed: Object = yaml.safe_load(text)
    changed["metadata"].pop("namespace", None)
    asked = asked_of(changed)
    asked.setdefault("indexUrl", hosts["https://mirror.example.com/simple"])  # theirs comes from the image
    if "resources" in asked:
        asked["resources"] = {**asked["resources"], "requests": {"cpu": "10m", "memory": "64Mi"}}
    if "storageClass" in asked.get("cache", {}):
        asked["cache"] = {**asked["cache"], "storageClass": "standard"}
    if changed["kind"] == "KasprApp":
        changed["spec"] |= {"replicas": 1, "image": workspace.image, "pythonPackages": asked}
    else:
        changed["metadata"]["annotations"]["wheelwarden.dev/python-packages"] = yaml.safe_dump(asked)
        pod = changed["spec"]["template"]["spec"]
        pod["containers"][0] |= {"image": workspace.image, "command": ["sleep", "infinity"]}
        pod["terminationGracePeriodSeconds"] = 1
    return changed


@pytest.fixture(scope="module")
def examples() -> Mapping[str, Object]:
    return {file.name: read(file) for file in FILES}


def test_every_example_is_installed_and_its_imports_are_proven(
    workspace: Workspace, indexes: Indexes, examples: Mapping[str, Object], tmp_path: Path
) -> None:
    address = urlsplit(indexes.open_url).hostname or ""
    folders = {name: tmp_path / name for name in ("private", "mirror")}
    for name, folder in folders.items():
        folder.mkdir()
        write_packages(folder, examples, private=name == "private")
    running = index.start(folders["private"], address, tmp_path / "state", open_port=0, private_port=0)
    try:
        with mirror(folders["mirror"], address) as mirror_url, mirror(folders["private"], address) as open_url:

            def hosts(example: Object) -> Mapping[str, str]:
                # The same packages with a password, and without one where the example has none.
                ours = running.private_url.rstrip("/") if "credentials" in asked_of(example) else open_url
                return {
                    "https://pypi.example.com/simple": ours,
                    "https://artifacts.example.com/pypi/simple": ours,
                    "https://mirror.example.com/simple": mirror_url,
                    "https://${PUBLIC_INDEX_HOST}/simple": mirror_url,
                    "pypi.example.com": urlsplit(ours).netloc,  # in trustedHosts
                }

            for name in ("pypi-credentials", "production-pypi-creds"):
                values = {"username": running.user, "password": running.password}
                body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
                workspace.apply(body)
            applied = {name: localize(example, workspace, hosts(example)) for name, example in examples.items()}
            for obj in applied.values():
                workspace.apply(obj)
            installed = {name: _wait_until_installed(workspace, obj) for name, obj in applied.items()}
    finally:
        running.stop()
    assert installed == {name: _expected(example) for name, example in examples.items()}
    # The claims are what the examples promise of them: the size, and whether they go with their owners.
    claims = {
        claim["metadata"]["name"]: (
            claim["status"].get("capacity", {}).get("storage"),
            "ownerReferences" in claim["metadata"],
        )
        for claim in workspace.get("pvc")["items"]
    }
    assert {name.removesuffix("-python-packages"): claim for name, claim in claims.items()} == {
        _component(example): _claim_of(example) for example in examples.values()
    }


def _wait_until_installed(workspace: Workspace, obj: Object) -> set[str]:
    """The names and versions that its pod has, once its conditions are True."""
    kind, name = obj["kind"].lower(), obj["metadata"]["name"]
    workspace.wait_condition(kind, name, PACKAGES_INSTALLED, "True")
    workspace.wait_condition(kind, name, IMPORTS_VERIFIED, "True")
    label = "kaspr.io/app" if kind == "kasprapp" else "notebook-name"
    results = wait_for(f"the result of {name}", lambda: workspace.install_results(f"{label}={name}") or None)
    [result] = results.values()
    return set(result["installed"])


def _expected(example: Object) -> set[str]:
    """What is installed of an example: the only version that there is, or the newest of the range."""
    newest = {"pandas>=2.0.0": "2.1.0", "numpy": "1.0.0"}
    found = set()
    for text in asked_of(example)["packages"]:
        [version, *_] = [newest.get(text)] if text in newest else re.findall(r"[=>]=([\d.]+)", text)
        found.add(f"{canonicalize_name(Requirement(text).name)}=={version}")
    return found


def _component(example: Object) -> str:
    name: str = example["metadata"]["name"]
    return f"{name}-app" if example["kind"] == "KasprApp" else name


def _claim_of(example: Object) -> tuple[str, bool]:
    """Size, and whether it goes with its owner."""
    cache = asked_of(example).get("cache") or {}
    return cache.get("size", "256Mi"), cache.get("deleteClaim", True)

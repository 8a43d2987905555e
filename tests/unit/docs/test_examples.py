"""The examples are judged as the webhook would judge them; the guide names all that the code knows."""

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.metrics import Metrics as ControllerMetrics
from tests.cases import request_of
from webhook.install_containers import DEFAULT_RESOURCES
from webhook.metrics import Metrics as WebhookMetrics
from wheelwarden.api import names
from wheelwarden.api.conditions import REASON_OF_ERROR, Reason
from wheelwarden.api.request import INSTALLS, ROLLOUTS, Request
from wheelwarden.api.types import PackagesSpec
from wheelwarden.payload.install.errors import ADVICE
from wheelwarden.rules import judge_object
from wheelwarden.rules.cache import ACCESS_MODES, TYPES
from wheelwarden.rules.installation import MAX_RETRIES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, ON_FAILURE

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "python-packages"
GUIDE = (ROOT / "docs" / "guide.md").read_text()
README = (FOLDER / "README.md").read_text()
APPS = (
    "basic",
    "with-cache-config",
    "private-registry",
    "custom-indexes",
    "install-policy",
    "enterprise-complete",
)
# Where a field of the model is written elsewhere than its name says.
WRITTEN = {"credentials": "credentials.secretRef", "secretName": "secretRef.name", "secretKey": "secretRef.key"}


def load(file: Path) -> dict[str, Any]:
    """The one object of an example."""
    obj: dict[str, Any] = yaml.safe_load(file.read_text())
    return obj


def read(file: Path) -> Request:
    return request_of(load(file))


def test_the_folder_holds_every_example_with_its_twin() -> None:
    files = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.yaml")}
    secrets = {name for name in files if name.startswith("secrets/")}
    assert files - secrets == {f"{name}{suffix}.yaml" for name in APPS for suffix in ("", "-notebook")}
    assert "secrets/pypi-credentials.yaml" in secrets


def test_the_public_index_is_a_variable_that_the_readme_explains() -> None:
    text = (FOLDER / "public-index.yaml.in").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {"PUBLIC_INDEX_HOST"}
    assert "envsubst '$PUBLIC_INDEX_HOST' < examples/python-packages/public-index.yaml.in" in README
    filled = yaml.safe_load(text.replace("${PUBLIC_INDEX_HOST}", "mirror.example.com"))
    assert judge_object(filled) == []
    assert filled["spec"]["pythonPackages"]["extraIndexUrls"] == ["https://mirror.example.com/simple"]


def test_a_cache_of_an_app_is_switched_on_since_its_kind_would_switch_it_off() -> None:
    caches = {file.stem: load(file)["spec"].get("pythonPackages", {}).get("cache") for file in FOLDER.glob("*.yaml")}
    assert {name: cache["enabled"] for name, cache in caches.items() if cache} == {
        "with-cache-config": True, "install-policy": True, "enterprise-complete": True,
    }  # fmt: skip


def test_every_file_is_in_the_readme_and_nothing_else_is() -> None:
    files = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.yaml")}
    assert set(re.findall(r"`((?:secrets/)?[a-z-]+\.yaml)`", README)) == files


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_no_rule_has_anything_to_say_but_what_the_example_says_itself(file: Path) -> None:
    found = [(violation.rule, violation.action) for violation in judge_object(load(file))]
    # It has the range of the seed, and explains the warning.
    assert found == ([("index-confusion", "warn")] if file.stem.startswith("enterprise-complete") else [])


@pytest.mark.parametrize("name", APPS)
def test_an_app_and_its_notebook_ask_for_the_same(name: str) -> None:
    app, notebook = read(FOLDER / f"{name}.yaml"), read(FOLDER / f"{name}-notebook.yaml")
    assert (app.kind.name, notebook.kind.name) == ("KasprApp", "Notebook")
    assert app.packages is not None
    assert notebook.packages == app.packages
    assert (notebook.packages_hash, notebook.namespace) == (app.packages_hash, app.namespace)


def test_every_secret_that_is_named_has_its_shape_in_the_folder() -> None:
    shapes = {}
    for file in (FOLDER / "secrets").glob("*.yaml"):
        secret = load(file)
        assert (secret["kind"], secret["type"], "data" in secret) == ("Secret", "Opaque", False)
        shapes[secret["metadata"].get("namespace", ""), secret["metadata"]["name"]] = set(secret["stringData"])
    for file in FOLDER.glob("*.yaml"):
        request = read(file)
        wanted = request.packages.credentials if request.packages else None
        if wanted is not None:
            assert shapes[request.namespace, wanted.name] == {wanted.username_key, wanted.password_key}


def test_a_secret_holds_placeholders_only() -> None:
    for file in (FOLDER / "secrets").glob("*.yaml"):
        text = file.read_text()
        assert "ever commit a real one" in text
        for key, value in load(file)["stringData"].items():
            words = {value} if key != "netrc" else set(re.findall(r"(?:login|password) (\S+)", value))
            assert words <= {"your-username", "your-password"}


def test_every_host_is_a_reserved_one() -> None:
    for file in [*FOLDER.rglob("*"), ROOT / "docs" / "guide.md", ROOT / "docs" / "manual-tests.md"]:
        if file.is_file():
            hosts = re.findall(r"(?:https?://|machine )([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)", file.read_text())
            assert [host for host in hosts if not host.endswith((".example.com", ".example.org"))] == []


def rows(text: str) -> dict[str, str]:
    """The rows of the guide's tables by what stands in backticks in their first cell."""
    found = {}
    for line in text.splitlines():
        first = line.split("|")[1] if line.startswith("|") else ""
        for name in re.findall(r"`([^`]+)`", first):
            found[name] = line
    return found


ROWS = rows(GUIDE)


def fields_of(model: type, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every field of the model as users write it, with its default; None where it has none to name."""
    hints = typing.get_type_hints(model)
    for field in dataclasses.fields(model):
        head, *tail = field.name.split("_")
        camel = head + "".join(part.title() for part in tail)
        path = prefix + WRITTEN.get(camel, camel)
        nested = [
            one for one in (hints[field.name], *typing.get_args(hints[field.name])) if dataclasses.is_dataclass(one)
        ]
        yield path, None if nested or field.default is dataclasses.MISSING else field.default
        for one in nested:
            assert isinstance(one, type)
            yield from fields_of(one, f"{path}.")


@pytest.mark.parametrize(("path", "default"), list(fields_of(PackagesSpec)))
def test_the_guide_has_every_field_with_its_default(path: str, default: object) -> None:
    row = ROWS[path]
    if default not in (None, (), ""):
        written = str(default).lower() if isinstance(default, bool) else str(default)
        assert row.split("|")[2].strip() == f"`{written}`"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("cache.type", TYPES),
        ("cache.accessMode", ACCESS_MODES),
        ("installPolicy.retries", (0, MAX_RETRIES)),
        ("installPolicy.timeout", (MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS)),
        ("installPolicy.onFailure", ON_FAILURE),
        ("resources", tuple(amount for group in DEFAULT_RESOURCES.values() for amount in group.values())),
        (names.ROLLOUT_ANNOTATION, ROLLOUTS),
        (names.INSTALL_ANNOTATION, INSTALLS),
    ],
)
def test_the_guide_says_what_a_field_may_be(path: str, values: tuple[object, ...]) -> None:
    assert [value for value in values if not re.search(rf"(?<!\w){value}(?!\w)", ROWS[path])] == []


def test_the_guide_has_every_annotation_that_users_write() -> None:
    assert set(names.USER_ANNOTATIONS) - set(ROWS) == set()


def test_the_guide_has_every_reason_of_a_condition() -> None:
    reasons = {value for name, value in vars(Reason).items() if name.isupper()}
    assert reasons - set(ROWS) == set()


def test_the_guide_has_no_row_twice_and_no_line_of_a_paragraph() -> None:
    # Two versions of one row or paragraph stand side by side after a careless merge.
    for section in re.split(r"^#+ |^\|[ -]*-\|", GUIDE, flags=re.MULTILINE):
        first = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
        assert [cell for cell in set(first) if first.count(cell) > 1] == []
    text = [line for line in GUIDE.splitlines() if len(line) > 60]
    assert [line for line in set(text) if text.count(line) > 1] == []


def test_the_guide_has_every_class_of_error_with_its_reason() -> None:
    classes = set(ADVICE)
    assert classes == {*REASON_OF_ERROR, "unknown"}
    for name in classes:
        assert f"`{REASON_OF_ERROR.get(name, Reason.INSTALL_FAILED)}`" in ROWS[name]


def test_the_guide_has_every_metric() -> None:
    told = {
        family.name + ("_total" if family.type == "counter" else "")
        for metrics in (ControllerMetrics(), WebhookMetrics())
        for family in metrics.registry.collect()
    }
    assert {name for name in told if not name.startswith("process_")} - set(ROWS) == set()


def test_the_guide_has_every_field_of_the_status() -> None:
    crd = load(ROOT / "tests" / "standins" / "crds" / "kasprapps.yaml")
    [version] = crd["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["pythonPackages"]
    # What the operator's kind does not know, and so stands in `status.wheelwarden` there.
    ours = {"state", "error", "errorType", "indexUrl", "extraIndexUrls", "authentication"}
    ours |= {f"cacheUsage.{name}" for name in ("totalBytes", "usedBytes", "availableBytes", "usagePercent")}
    assert {*status["properties"], *ours} - set(ROWS) == set()


def test_the_manual_tests_are_twenty_with_the_same_parts() -> None:
    page = (ROOT / "docs" / "manual-tests.md").read_text()
    scenarios = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    assert [scenario.partition(".")[0] for scenario in scenarios] == [str(number) for number in range(1, 21)]
    for scenario in scenarios:
        parts = re.findall(r"^\*\*([A-Z][a-z ]+)\.\*\*", scenario, re.MULTILINE)
        assert parts == ["Needs", "Do", "See", "Passed", "Clean up"], scenario.splitlines()[0]

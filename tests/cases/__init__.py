"""The case table: requests, good and bad, with everything that is to be found in them.

Each `*.yaml` here is a list of cases. A case has a `name`, the `violations` to expect, each as `ACTION RULE PATH`, and
either `packages` (a `pythonPackages`: judged as a KasprApp and as a Notebook, with paths below it) or `object` (a whole
object, with whole paths; apiVersion and kind may be left out for a Notebook). A `policy` may be given as in a policy
file, and `before`: what stood in the place of `packages` or `object` before an update. Where a KasprApp is judged
otherwise than a Notebook, `kasprapp` has its violations.

Each `tables/*.yaml` has single values: `packages` with VALUE in its place (or an `annotation`), the `path` of that place,
and `values` by what is to be found there: `good`, or `ACTION RULE`, with an index after it where the path has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wheelwarden.api import names
from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK, WorkloadKind
from wheelwarden.api.request import Request
from wheelwarden.api.violations import key_path
from wheelwarden.parsing.request import ANNOTATIONS_PATH, locate_request, packages_path
from wheelwarden.rules.policy import Policy
from wheelwarden.rules.policy_file import parse_policy


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One object and what is to be found in it.

    Attributes:
        id: for the test's name.
        obj: the whole object.
        old: what the object was before an update; None at its creation.
        policy_data: the policy as a policy file has it.
        expected: action, rule and path of every violation, in order.
    """

    id: str
    obj: Mapping[str, Any]
    old: Mapping[str, Any] | None
    policy_data: Mapping[str, Any]
    expected: tuple[tuple[str, str, str], ...]

    @property
    def policy(self) -> Policy:
        """What the admin allows."""
        return parse_policy(self.policy_data)

    @property
    def denied(self) -> bool:
        return any(action == "deny" for action, _, _ in self.expected)


def load_cases() -> list[Case]:
    """All cases of the table."""
    folder = Path(__file__).parent
    specs = [spec for file in sorted(folder.glob("*.yaml")) for spec in _load(file)]
    return specs + [spec for file in sorted((folder / "tables").glob("*.yaml")) for spec in _load_table(file)]


def count_specs() -> int:
    """How many specs the table has: a `pythonPackages` that is judged for both kinds is one."""
    suffixes = tuple(f" ({kind.name})" for kind in (KASPR_APP, NOTEBOOK))
    return len({case.id.removesuffix(suffixes[0]).removesuffix(suffixes[1]) for case in load_cases()})


def request_of(obj: Mapping[str, Any]) -> Request:
    """What an object of a guarded kind asks for; of its shape, nothing is wrong."""
    located = locate_request(obj)
    assert located is not None
    assert located.reading is None or not located.reading.violations
    assert not located.wrong_annotations
    return located.request()


def kaspr_app(packages: object) -> dict[str, Any]:
    """A KasprApp, as the operator accepts it, with a `pythonPackages`."""
    return {
        "apiVersion": KASPR_APP.api_version,
        "kind": KASPR_APP.name,
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {
            "bootstrapServers": "kafka.example.com:9092",
            "authentication": {"type": "plain"},
            "replicas": 1,
            "storage": {"type": "ephemeral", "class": "standard", "size": "1Gi"},
            "pythonPackages": packages,
        },
    }


def notebook(packages: object) -> dict[str, Any]:
    """A Notebook with a `pythonPackages` in its annotation."""
    text = packages if isinstance(packages, str) else yaml.safe_dump(packages)
    return {
        "apiVersion": NOTEBOOK.api_version,
        "kind": NOTEBOOK.name,
        "metadata": {
            "name": "analysis",
            "namespace": "science",
            "annotations": {names.PACKAGES_ANNOTATION: text},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "analysis", "image": "registry.example.com/lab:1"}]}}},
    }


def _load_table(file: Path) -> list[Case]:
    """Each value of a table in its place."""
    table = yaml.safe_load(file.read_text())
    cases = []
    for found, values in table["values"].items():
        action, _, rest = found.partition(" ")
        rule, _, index = rest.partition(" ")
        for value in values:
            name = f"{file.stem}: {value!r}"
            for kind in (KASPR_APP, NOTEBOOK):
                if "annotation" in table:
                    obj, base = (
                        annotated(kind, table["annotation"], value),
                        key_path(ANNOTATIONS_PATH, table["annotation"]),
                    )
                else:
                    make = kaspr_app if kind is KASPR_APP else notebook
                    obj, base = make(_placed(table["packages"], value)), f"{packages_path(kind)}.{table['path']}"
                expected = () if found == "good" else ((action, rule, f"{base}{index}"),)
                cases.append(Case(id=f"{name} ({kind.name})", obj=obj, old=None, policy_data={}, expected=expected))
    return cases


def _placed(template: object, value: object) -> Any:
    """The template with the value in the place of VALUE."""
    if isinstance(template, dict):
        return {key: _placed(inner, value) for key, inner in template.items()}
    if isinstance(template, list):
        return [_placed(inner, value) for inner in template]
    return value if template == "VALUE" else template


def annotated(kind: WorkloadKind, key: str, value: str) -> dict[str, Any]:
    """An object without packages and with one annotation, beside something to prove."""
    obj = notebook({"packages": []}) if kind is NOTEBOOK else kaspr_app({})
    obj["spec"].pop("pythonPackages", None)
    obj["metadata"]["annotations"] = {names.VERIFY_IMPORTS_ANNOTATION: "numpy", key: value}
    return obj


def _load(file: Path) -> list[Case]:
    cases = []
    for entry in yaml.safe_load(file.read_text()):
        policy_data = entry.get("policy", {})
        expected = [tuple(line.split(" ", 2)) for line in entry["violations"]]
        name = f"{file.stem}: {entry['name']}"
        if "object" in entry:
            obj = {"apiVersion": NOTEBOOK.api_version, "kind": NOTEBOOK.name} | entry["object"]
            old = (
                {"apiVersion": NOTEBOOK.api_version, "kind": NOTEBOOK.name} | entry["before"]
                if "before" in entry
                else None
            )
            cases.append(Case(id=name, obj=obj, old=old, policy_data=policy_data, expected=tuple(expected)))
            continue
        for kind, make in ((KASPR_APP, kaspr_app), (NOTEBOOK, notebook)):
            obj = make(entry["packages"])
            old = make(entry["before"]) if "before" in entry else None
            base = packages_path(kind)
            lines = entry.get("kasprapp", entry["violations"]) if kind is KASPR_APP else entry["violations"]
            located = tuple(
                (action, rule, f"{base}.{path}" if path != "." else base)
                for action, rule, path in (line.split(" ", 2) for line in lines)
            )
            cases.append(Case(id=f"{name} ({kind.name})", obj=obj, old=old, policy_data=policy_data, expected=located))
    return cases

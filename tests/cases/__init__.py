"""The case table: requests, good and bad, with everything that is to be found in them.

Each `*.yaml` here is a list of cases. A case has a `name`, the `violations` to expect, each as `ACTION RULE PATH`, and
either `packages` (a `pythonPackages`: judged as a KasprApp and as a Notebook, with paths below it) or `object` (a whole
object, with whole paths; apiVersion and kind may be left out for a Notebook). A `policy` may be given as in a policy file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wheelwarden import names
from wheelwarden.policy import DEFAULT, Policy, parse_policy
from wheelwarden.request import packages_path
from wheelwarden.targets import KASPR_APP, NOTEBOOK


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One object and what is to be found in it.

    Attributes:
        id: for the test's name.
        obj: the whole object.
        policy: what the admin allows.
        expected: action, rule and path of every violation, in order.
    """

    id: str
    obj: Mapping[str, Any]
    policy: Policy
    expected: tuple[tuple[str, str, str], ...]

    @property
    def denied(self) -> bool:
        return any(action == "deny" for action, _, _ in self.expected)


def load_cases() -> list[Case]:
    """All cases of the table."""
    return [case for file in sorted(Path(__file__).parent.glob("*.yaml")) for case in _load(file)]


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


def _load(file: Path) -> list[Case]:
    cases = []
    for entry in yaml.safe_load(file.read_text()):
        policy = parse_policy(entry["policy"]) if "policy" in entry else DEFAULT
        expected = [tuple(line.split(" ", 2)) for line in entry["violations"]]
        name = f"{file.stem}: {entry['name']}"
        if "object" in entry:
            obj = {"apiVersion": NOTEBOOK.api_version, "kind": NOTEBOOK.name} | entry["object"]
            cases.append(Case(id=name, obj=obj, policy=policy, expected=tuple(expected)))
            continue
        for kind, obj in ((KASPR_APP, kaspr_app(entry["packages"])), (NOTEBOOK, notebook(entry["packages"]))):
            base = packages_path(kind)
            located = tuple(
                (action, rule, f"{base}.{path}" if path != "." else base) for action, rule, path in expected
            )
            cases.append(Case(id=f"{name} ({kind.name})", obj=obj, policy=policy, expected=located))
    return cases

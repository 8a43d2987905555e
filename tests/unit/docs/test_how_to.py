"""The lists of files in CONTRIBUTING are those that the code has: each is compared with what an example of it touches."""

import ast
import dataclasses
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.unit.docs.pages import ROOT
from tools.generated import FILES
from wheelwarden.api.conditions import Reason
from wheelwarden.api.types import PackagesSpec
from wheelwarden.payload.install.installers import INSTALLERS
from wheelwarden.rules import RULES

TEXT: Final = (ROOT / "CONTRIBUTING.md").read_text()
PROGRAMS: Final = ("wheelwarden", "webhook", "controller", "certs")
CHART: Final = ROOT / "charts" / "wheelwarden"
PLACEHOLDERS: Final = ("FAMILY", "FILE", "<kind>", "<installer>")
# Written elsewhere than their names say, or by a word that has other meanings too.
OTHERWISE: Final = ("secret_name", "secret_key")


def section(title: str) -> str:
    """A section of CONTRIBUTING, without the title."""
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def named(text: str) -> set[str]:
    """The files that a text names, as patterns."""
    found = set(re.findall(r"`([\w./<>-]+/[\w.<>-]+|pyproject\.toml|Dockerfile|README\.md)`", text))
    for word in PLACEHOLDERS:
        found = {name.replace(word, "*") for name in found}
    return found


def steps(title: str) -> set[str]:
    """The files in the numbered steps of a section: those that always change."""
    return named("\n".join(re.findall(r"^\d\. .*(?:\n   .*)*", section(title), re.MULTILINE)))


def cases(title: str) -> set[str]:
    """The files in the bullets of a section: those that change where they are concerned."""
    return named("\n".join(re.findall(r"^- .*(?:\n  .*)*", section(title), re.MULTILINE)))


def uncovered(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    covered = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(set(files) - covered)


def idle(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The patterns that none of the files has."""
    wanted = set(files)
    return sorted(
        pattern for pattern in patterns if wanted.isdisjoint(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))
    )


def texts(*folders: str) -> Mapping[str, str]:
    """Every file of some folders that people or programs read, by its path."""
    suffixes = (".py", ".md", ".yaml", ".json", ".tpl")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def everywhere(patterns: Iterable[str], *folders: str) -> set[str]:
    """The files that have each of these patterns."""
    compiled = [re.compile(pattern) for pattern in patterns]
    return {name for name, text in texts(*folders).items() if all(pattern.search(text) for pattern in compiled)}


# Rules


def test_a_rule_is_in_every_generated_file_of_the_list() -> None:
    listed = {name for name in steps("How to add a rule") if ROOT / name in FILES}
    everywhere_named = everywhere([rf"(?<![\w-]){rule.id}(?![\w-])" for rule in RULES], *PROGRAMS, "docs", "charts")
    # CEL cannot say every rule.
    assert everywhere_named == listed - {"charts/wheelwarden/files/expressions.yaml"}


def test_what_finds_the_faults_of_a_rule_without_a_check_is_in_the_list() -> None:
    ids = "|".join(rule.id for rule in RULES)
    finders = {name for name, text in texts("wheelwarden/parsing").items() if re.search(rf'"(?:{ids})"', text)}
    assert finders == {name for name in steps("How to add a rule") if name.startswith("wheelwarden/parsing/")}


# Kinds

CHANGED_BY_A_KIND: Final = """
from tests.standins.data_job import registered

with registered():
    from tools.generated import stale_files

    print(*stale_files(), sep="\\n")
"""


def test_a_kind_touches_the_files_of_the_list() -> None:
    # A process of its own: the rules are made when they are imported, and then already know every kind.
    done = subprocess.run(
        [sys.executable, "-c", CHANGED_BY_A_KIND], cwd=ROOT, capture_output=True, text=True, check=True
    )
    changed = {str(Path(line).relative_to(ROOT)) for line in done.stdout.splitlines()}
    generated = {name for name in steps("How to add a kind") if ROOT / name in FILES}
    # The page of the room lists its modules, and the made-up kind is no module of it.
    assert generated - {"docs/architecture/api.md"} == changed
    modules = {path for path in steps("How to add a kind") if path.startswith("wheelwarden/")}
    assert modules == {"wheelwarden/api/kinds/*.py", "wheelwarden/api/kinds/__init__.py"}


# Fields


def fields_of(model: type) -> Iterator[str]:
    """The names of the fields of the model whose name is found nowhere else: those of two words."""
    for field in dataclasses.fields(model):
        if "_" in field.name and field.name not in OTHERWISE:
            yield field.name
    for one in {hint for field in dataclasses.fields(model) for hint in models_in(field.type)}:
        yield from fields_of(one)


def models_in(annotation: Any) -> Iterator[type]:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if dataclasses.is_dataclass(candidate) and isinstance(candidate, type):
            yield candidate


def test_a_field_is_in_every_file_of_the_list_and_in_no_other() -> None:
    fields = sorted(set(fields_of(PackagesSpec)))
    assert len(fields) >= 8
    written = [f"\\b(?:{name}|{camel_case(name)})\\b" for name in fields]
    there = everywhere(written, *PROGRAMS, "docs", "charts", "tests", "examples")
    assert there == steps("How to add a field")


def test_what_uses_a_field_is_in_the_list() -> None:
    fields = set(fields_of(PackagesSpec))
    users = {
        name
        for name, text in texts(*PROGRAMS).items()
        if name.endswith(".py")
        and any(isinstance(node, ast.Attribute) and node.attr in fields for node in ast.walk(ast.parse(text)))
    }
    # The payload has a model of its own, the install request, which `install_containers` fills.
    users = {name for name in users if not name.startswith("wheelwarden/payload/")}
    listed = {name for name in cases("How to add a field") if name.endswith(".py")}
    assert uncovered(users, listed) == []
    assert idle(users, listed) == []


def camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


# Installers


def test_an_installer_is_known_to_the_files_of_the_list() -> None:
    names = tuple(INSTALLERS)
    assert len(names) >= 2
    knowing = {
        name
        for name, text in texts(*PROGRAMS).items()
        if name.endswith(".py")
        and {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}.issuperset(names)
    }
    modules = {f"wheelwarden/payload/install/{name}.py" for name in names}
    importing = {
        name
        for name, text in texts(*PROGRAMS).items()
        if re.search(rf"^from wheelwarden\.payload\.install\.(?:{'|'.join(names)}) import", text, re.MULTILINE)
    }
    listed = steps("How to add an installer")
    assert knowing | importing == listed - {"wheelwarden/payload/install/*.py"}
    assert [module for module in modules if not (ROOT / module).exists()] == []


# Conditions


def reasons() -> Mapping[str, str]:
    """Every reason by its constant, with the comment of its group before it."""
    source = (ROOT / "wheelwarden" / "api" / "conditions.py").read_text()
    group, found = "", {}
    for comment, name in re.findall(r"^    (?:# (.*)|([A-Z_]+): Final = .*)$", source, re.MULTILINE):
        group = comment or group
        if name:
            found[name] = group
    return found


def test_a_reason_is_in_every_file_of_the_list_and_in_no_other() -> None:
    known = {name: getattr(Reason, name) for name in reasons()}
    assert len(known) == len([name for name in vars(Reason) if name.isupper()])
    written = [f'\\bReason\\.{name}\\b|["`]{value}["`]' for name, value in known.items()]
    assert everywhere(written, *PROGRAMS, "docs", "charts") == steps("How to add a condition") - {
        "controller/summary.py"
    }


def test_a_reason_that_is_not_good_news_has_a_severity() -> None:
    source = (ROOT / "controller" / "summary.py").read_text()
    table = source.split("\nSEVERITY: Final = (\n")[1].split("\n)")[0]
    without = {name for name in reasons() if not re.search(rf"\bReason\.{name}\b", table)}
    assert without == {name for name, group in reasons().items() if group.endswith(", True") or group == "Events only"}


def test_what_decides_on_a_reason_is_in_the_list() -> None:
    deciders = {name for name, text in texts(*PROGRAMS).items() if re.search(r"\bReason\.[A-Z]", text)}
    listed = {name for name in cases("How to add a condition") if name.endswith(".py")}
    assert uncovered(deciders, {*listed, *steps("How to add a condition")}) == []
    assert idle(deciders, listed) == []


# Values of the chart


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value and name != "resources":
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def in_schema(schema: Mapping[str, Any], value: str) -> bool:
    for name in value.split("."):
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def test_a_value_is_in_every_file_of_the_list() -> None:
    files = {str((CHART / name).relative_to(ROOT)) for name in ("values.yaml", "values.schema.json", "README.md")}
    assert steps("How to add a chart value") == files | {"charts/wheelwarden/templates/*"}
    values = sorted(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    readme = (CHART / "README.md").read_text()
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    # The hook takes its values from `uninstall` with defaults of its own, for releases that have none.
    used = [value for value in values if not value.startswith("uninstall.")]
    assert [value for value in values if not in_schema(schema, value)] == []
    assert [value for value in values if f"\n| `{value}` |" not in readme] == []
    assert [value for value in used if not re.search(rf"\.Values\.{re.escape(value)}\b", templates)] == []


def test_a_variable_is_set_and_read_by_files_of_the_list() -> None:
    listed = cases("How to add a chart value")
    setters = {
        str(path.relative_to(ROOT)): set(re.findall(r"name: (WHEELWARDEN_\w+)", path.read_text()))
        for path in (CHART / "templates").rglob("*")
        if path.is_file()
    }
    setters = {name: variables for name, variables in setters.items() if variables}
    readers = {
        name: set(re.findall(r'reader\.\w+\("(WHEELWARDEN_\w+)"', text))
        for name, text in texts("webhook", "controller").items()
    }
    readers = {name: variables for name, variables in readers.items() if variables}
    assert set(setters) == {name for name in listed if name.startswith("charts/")}
    assert set(readers) == {name for name in listed if name.startswith(("webhook/", "controller/"))}
    # A kubeconfig is for a program that runs outside of a cluster.
    assert set().union(*readers.values()) - {"WHEELWARDEN_KUBECONFIG"} == set().union(*setters.values())


# Releases


def test_the_version_is_the_same_wherever_the_list_says_it_stands() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    known = {"pyproject.toml", "Dockerfile", "README.md"}
    known |= {name for name, text in texts(*PROGRAMS, "charts", "tests/demo", "tests/chart").items() if version in text}
    first = section("How to release").partition("\n2. ")[0]
    assert named(first) == known
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    dockerfile = (ROOT / "Dockerfile").read_text()
    init = (ROOT / "wheelwarden" / "__init__.py").read_text()
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert f"ARG VERSION={version}\n" in dockerfile
    assert f'__version__ = "{version}"\n' in init
    assert f"wheelwarden:{version}" in (ROOT / "README.md").read_text()

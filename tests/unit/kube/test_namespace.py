"""Which namespace is meant where none is given: as kubectl has it."""

from pathlib import Path

import pytest

from wheelwarden.kube import default_namespace

CONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "https://api.example.com"}}]
users: [{name: u, user: {}}]
contexts:
- {name: one, context: {cluster: c, user: u, namespace: team-a}}
- {name: two, context: {cluster: c, user: u}}
"""


@pytest.mark.parametrize(
    ("context", "namespace"), [(None, "team-a"), ("one", "team-a"), ("two", "default"), ("three", "default")]
)
def test_the_contexts_namespace_else_default(tmp_path: Path, context: str | None, namespace: str) -> None:
    file = tmp_path / "config"
    file.write_text(CONFIG)
    assert default_namespace(file, context) == namespace


def test_without_a_configuration_it_is_default(tmp_path: Path) -> None:
    assert default_namespace(tmp_path / "nothing") == "default"
    (tmp_path / "broken").write_text("{")
    assert default_namespace(tmp_path / "broken") == "default"

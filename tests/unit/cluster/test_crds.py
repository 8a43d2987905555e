"""Which files define the kinds of a test cluster, and what a folder without them says."""

from pathlib import Path

import pytest

from tests.cluster.apiserver import CRDS, find_crds
from tests.cluster.artifacts import BuildError
from tests.cluster.inside import Plan


def test_the_two_kinds_are_found_by_their_names_whatever_else_is_there(tmp_path: Path) -> None:
    for name in ("zebras.example.com", "notebooks.kubeflow.org", "kasprapps.kaspr.io"):
        (tmp_path / f"real-{name}.yaml").write_text(f"metadata: {{name: {name}}}\n")
    assert [path.name for path in find_crds(tmp_path)] == [
        "real-kasprapps.kaspr.io.yaml",
        "real-notebooks.kubeflow.org.yaml",
    ]
    assert [path.name for path in find_crds(CRDS)] == ["kasprapps.yaml", "notebooks.yaml"]


def test_a_folder_without_a_kind_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("metadata: {name: kasprapps.kaspr.io}\n")
    with pytest.raises(BuildError, match=r"has no definition of notebooks\.kubeflow\.org$") as refused:
        find_crds(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_a_plan_is_the_same_on_the_other_side() -> None:
    plan = Plan(
        programs="/p", state="/s", cgroup="/c", packages="/w", images=("a", "b"), bare=False, standins=True,
        crds=("/k.yaml", "/n.yaml"), command=("sh", "-c", "true"),
    )  # fmt: skip
    assert Plan.from_json(plan.to_json()) == plan

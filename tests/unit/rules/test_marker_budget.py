"""What judging the markers of one object may cost, counted and not timed."""

import pytest
from packaging.markers import Marker

from wheelwarden.parsing import markers
from wheelwarden.rules import judge_object

# Far below what 500 entries in 504 environments would take: 252,000 evaluations, more than the webhook's five seconds.
MAX_EVALUATIONS = 20_000
WIDE = 'platform_machine == "riscv64" and python_full_version >= "3.19.30" and implementation_name == "pypy"'
NARROW = 'platform_machine == "riscv64" and python_version >= "3.19" and implementation_name == "pypy"'


@pytest.mark.parametrize("marker", [WIDE, NARROW])
def test_the_worst_object_costs_a_bounded_number_of_evaluations(monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    count, evaluate = [0], markers._holds

    def counting(parsed: Marker, environment: dict[str, str]) -> bool:
        count[0] += 1
        return evaluate(parsed, environment)

    monkeypatch.setattr(markers, "_holds", counting)
    packages = [
        f'pkg{group}>=1.{one}; platform_machine == "x{group}.{one}" or ({marker})'
        for group in range(125)
        for one in range(4)
    ]
    metadata = {"name": "a", "namespace": "b"}
    spec = {"pythonPackages": {"packages": packages}}
    judge_object({"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": metadata, "spec": spec})
    assert count[0] <= MAX_EVALUATIONS

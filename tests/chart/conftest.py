"""The helm of the chart's tests."""

import pytest

from tests.chart.helm import Helm, find_helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(binary=find_helm())

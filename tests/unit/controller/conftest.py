"""What the tests of whole rounds of the controller share."""

import pytest

from tests.unit.controller.reconcile_world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def claimed(world: World) -> World:
    """An app with its bound claim and a pod that was not looked at yet."""
    world.app(["six"])
    world.stateful()
    return world

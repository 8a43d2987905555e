"""The result: what an installer records is what that of a later pod reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.payload.install.test_message import failed, result
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.result import result_of
from wheelwarden.payload.install.schema import VersionError
from wheelwarden.payload.install.store import Store


@pytest.mark.parametrize("written", [result(), failed("No way there."), result(usage=None, warnings=["one"])])
def test_what_is_written_is_read(written: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result_of(written).as_object())) == written


def test_a_record_that_lacks_what_came_later_is_read() -> None:
    early = {name: value for name, value in result().items() if name not in ("provided", "usage")}
    assert result_of(early) == result_of(result(provided=(), usage=None))


def test_another_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(VersionError) as refused:
        result_of(result(version=2))
    assert str(refused.value) == (
        "The record of these packages on the volume has version 2, and this release reads version 1. "
        "Remove that directory of the volume, and the packages are installed again."
    )


@pytest.mark.parametrize("record", [result(version=2), {"version": 1}, [1]])
def test_a_store_whose_record_cannot_be_read_names_the_directory(tmp_path: Path, record: object) -> None:
    store = Store(str(tmp_path), "key")
    assert store.read_record() is None
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "record.json").write_text(json.dumps(record))
    with pytest.raises(InstallError) as refused:
        store.read_record()
    assert refused.value.kind == "unknown"
    assert str(tmp_path / "key") in refused.value.cause

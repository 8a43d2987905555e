"""The result: an installer reads the record of an earlier one."""

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
def test_a_written_result_can_be_read(written: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result_of(written).as_object())) == written


def test_a_record_without_newer_fields_can_be_read() -> None:
    early = {name: value for name, value in result().items() if name not in ("provided", "usage")}
    assert result_of(early) == result_of(result(provided=(), usage=None))


def test_another_version_raises_an_error_with_advice() -> None:
    with pytest.raises(VersionError) as refused:
        result_of(result(version=2))
    assert str(refused.value) == (
        "The record of these packages on the volume has version 2, but this release reads version 1. "
        "Remove its directory from the volume to install the packages again."
    )


@pytest.mark.parametrize("record", [result(version=2), {"version": 1}, [1]])
def test_the_error_about_an_unreadable_record_names_the_directory(tmp_path: Path, record: object) -> None:
    store = Store(str(tmp_path), "key")
    assert store.read_record() is None
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "record.json").write_text(json.dumps(record))
    with pytest.raises(InstallError) as refused:
        store.read_record()
    assert refused.value.kind == "unknown"
    assert str(tmp_path / "key") in refused.value.cause

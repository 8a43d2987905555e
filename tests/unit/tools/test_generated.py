"""The files that are made from the code are as the code would make them now."""

from tools.generated import stale_files


def test_no_generated_file_is_stale() -> None:
    assert stale_files() == []

"""Things made once: never half made, made again only when gone, old ones removed."""

import os
import sys
import threading
from pathlib import Path

import pytest

from tests.cluster.artifacts import BuildError, digest_files, digest_of, keep_newest, make_once, run


def test_is_made_the_first_time_only(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(partial: Path) -> None:
        made.append(partial)
        partial.write_text("content")

    target = tmp_path / "folder" / "thing"
    for _ in range(2):
        assert make_once(target, make, what="Making a thing") == target

    assert made == [tmp_path / "folder" / ".thing.partial"]
    assert target.read_text() == "content"


def test_a_maker_that_fails_leaves_nothing_and_is_run_again(tmp_path: Path) -> None:
    def fail(partial: Path) -> None:
        partial.mkdir()
        (partial / "half").write_text("half")
        raise RuntimeError("interrupted")

    def make(partial: Path) -> None:
        partial.mkdir()

    with pytest.raises(RuntimeError, match="interrupted"):
        make_once(tmp_path / "thing", fail, what="Making a thing")
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]

    assert list(make_once(tmp_path / "thing", make, what="Making a thing").iterdir()) == []


def test_what_an_interrupted_run_left_is_not_taken_over(tmp_path: Path) -> None:
    left = tmp_path / ".thing.partial"
    left.mkdir()
    (left / "half").write_text("half")

    made = make_once(tmp_path / "thing", lambda partial: partial.mkdir(), what="Making a thing")

    assert list(made.iterdir()) == []


def test_several_at_once_share_one_making(tmp_path: Path) -> None:
    made: list[str] = []

    def make(partial: Path) -> None:
        made.append(threading.current_thread().name)
        partial.write_text("content")

    threads = [
        threading.Thread(target=make_once, args=(tmp_path / "thing", make), kwargs={"what": "Making a thing"})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_keeps_those_used_last(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        path = make_once(tmp_path / name, lambda partial: partial.mkdir(), what="Making a thing")
        os.utime(path, (1000 + age, 1000 + age))
    make_once(tmp_path / "a", lambda partial: partial.mkdir(), what="Making a thing")

    keep_newest([tmp_path / name for name in "abcd"], 2)

    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.lock", ".d.lock", "a", "d"]


def test_digests_tell_apart_where_one_part_ends() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("ab", b"c") == digest_of(b"ab", "c")


def test_a_digest_of_files_covers_names_and_contents_in_any_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    before = digest_files(tmp_path, [one, two])

    assert digest_files(tmp_path, [two, one]) == before
    two.rename(tmp_path / "three")
    assert digest_files(tmp_path, [one, tmp_path / "three"]) != before


def test_a_failed_command_tells_its_end_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "build.log"
    run([sys.executable, "-c", "print('first')"], log=log)

    with pytest.raises(BuildError) as caught:
        run([sys.executable, "-c", "print('no room'); raise SystemExit(3)"], log=log)

    assert str(caught.value) == (
        f"{sys.executable} failed with exit code 3; its log is {log} and ends with:\n    no room"
    )
    assert log.read_text() == "first\nno room\n"

"""The reliability profile: real interpreters and packages that really have each fault; and none is found where none is."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.payload.conftest import soon
from tests.payload.test_probe import DEBIAN, OTHERS
from wheelwarden.payload import probe_argv
from wheelwarden.verify.reliability import CHECKS, Check, Profile, parse_reliability

# A healthy package is found healthy by all of them.
FILES = {
    "healthy/__init__.py": "from healthy.inner import answer\n",
    "healthy/inner.py": "import healthy\nanswer = 42\n",
    "round/__init__.py": "",
    "round/a.py": "from round.b import two\none = 1\n",
    "round/b.py": "from round.c import three\ntwo = 2\n",
    "round/c.py": "from round.a import one\nthree = 3\n",
    "pair_a.py": "from pair_b import b\na = 1\n",
    "pair_b.py": "from pair_a import a\nb = 2\n",
    "slow.py": "import time\ntime.sleep(0.6)\n",
    "spoiler.py": "import json\ndel json.dumps\n",
    "needy.py": "from json import dumps\n",
    "leaky.py": "import builtins\nkept = builtins.__dict__.setdefault('ww_kept', [])\nkept.append(bytearray(b'x') * 65536)\n",
    "hurried.py": (
        "import threading\nstarted = threading.enumerate()\n"
        "if len(started) > 1:\n    raise RuntimeError('not beside other threads')\n"
    ),
    "locked.py": (
        "import os, time\npath = os.environ['WW_LOCK']\n"
        "descriptor = os.open(path, os.O_CREAT | os.O_EXCL)\ntime.sleep(0.5)\nos.unlink(path)\n"
    ),
    "flaky.py": "import random\nif random.random() < 0.3:\n    raise RuntimeError('now and then')\n",
    "incomplete.py": "present = 1\n",
    "linked.py": "import ctypes\nctypes.CDLL('libww-is-not-there.so.9')\n",
    "talks.py": "import sys\nprint('x' * 200000)\nprint('y' * 200000, file=sys.stderr)\n",
    "callable_one.py": "def fine():\n    return 1\ndef broken():\n    raise ValueError('called')\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(
    code: Path,
    *modules: str,
    checks: tuple[str, ...] = CHECKS,
    python: str = DEBIAN,
    search_path: str = "",
    **more: Any,
) -> dict[tuple[str, str], Check]:
    """The checks by (check, subject)."""
    small = {"workers": 4, "each": 10, "repeats": 40, "rounds": 2, "deadline_seconds": 20, "budget_ms": 500, **more}
    profile = Profile(modules=modules, path=(str(code),), **small)
    request = {**profile.as_request(search_path), "checks": [check for check in checks if check != "time"]}
    environment = os.environ | {"WW_LOCK": str(code / "lock")}
    done = subprocess.run(
        probe_argv(python, request, payload="reliability.py"), env=environment, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {(check.check, check.subject): check for check in parse_reliability(done.stdout).checks}


def failed(found: dict[tuple[str, str], Check]) -> dict[tuple[str, str], str]:
    return {key: str(check.error) for key, check in found.items() if not check.ok}


@pytest.mark.parametrize("python", OTHERS)
def test_a_healthy_package_has_no_fault(code: Path, python: str) -> None:
    found = run(code, "healthy", "json:dumps", "healthy.inner:answer", python=python)
    assert failed(found) == {}
    assert {check for check, _ in found} == set(CHECKS)
    assert found["stress", "healthy"].measured["done"] == 40
    assert found["fresh", "healthy"].measured["peakBytes"] > 1 << 20
    assert found["memory", "healthy"].measured["loadedAgain"] is True
    assert found["paths", "healthy"].measured["places"][0]["file"] == str(code / "healthy" / "__init__.py")
    names = [entry["name"] for entry in found["paths", "healthy"].measured["files"]]
    assert "inner.py" in names
    assert all(entry["modified"] > 0 for entry in found["paths", "healthy"].measured["files"])


def test_a_cycle_that_breaks_the_import_is_named(code: Path) -> None:
    found = failed(run(code, "round.a", "pair_a", checks=("cycles",)))
    assert found["cycles", "round.a"].startswith("round.a → round.b → round.c → round.a: ImportError")
    assert found["cycles", "pair_a"].startswith("pair_a → pair_b → pair_a: ImportError")


def test_an_order_that_matters_is_told_as_the_order_that_fails(code: Path) -> None:
    found = failed(run(code, "spoiler", "needy", checks=("fresh", "order")))
    assert set(found) == {("order", "spoiler then needy")}
    assert "cannot import name 'dumps'" in found["order", "spoiler then needy"]


def test_a_slow_import_breaks_the_budget_and_works(code: Path) -> None:
    found = run(code, "slow", checks=("fresh",))
    assert set(failed(found)) == {("time", "slow")}
    assert failed(found)["time", "slow"].endswith("ms, more than 500 ms")


def test_a_race_is_found_by_threads_and_by_processes(code: Path) -> None:
    found = failed(run(code, "hurried", "locked", checks=("fresh", "threads", "processes", "load")))
    assert found["threads", "hurried"] == "RuntimeError: not beside other threads"
    assert found["load", "hurried"] == "RuntimeError: not beside other threads"
    assert "FileExistsError" in found["processes", "locked"]
    assert not {("fresh", "hurried"), ("fresh", "locked"), ("processes", "hurried")} & set(found)


def test_an_import_that_fails_now_and_then_is_found_by_the_stress(code: Path) -> None:
    found = run(code, "flaky", checks=("stress",))
    assert "RuntimeError: now and then" in failed(found)["stress", "flaky"]
    measured = found["stress", "flaky"].measured
    assert measured["done"] + measured["failures"] == 40


def test_a_leak_is_found_and_a_compiled_module_is_not_loaded_twice(code: Path) -> None:
    found = run(code, "leaky", "_decimal", "healthy", checks=("memory",))
    assert set(failed(found)) == {("memory", "leaky")}
    assert "KiB more after 40 imports" in failed(found)["memory", "leaky"]
    assert found["memory", "_decimal"].measured["loadedAgain"] is False


def test_what_is_missing_is_named(code: Path) -> None:
    found = failed(run(code, "incomplete:absent", "linked", "nowhere", checks=("paths", "fresh")))
    assert found["fresh", "incomplete:absent"] == "AttributeError: module 'incomplete' has no attribute 'absent'"
    assert "libww-is-not-there.so.9: cannot open shared object file" in found["fresh", "linked"]
    assert found["paths", "nowhere"] == "it is on no entry of sys.path"
    assert "No module named 'nowhere'" in found["fresh", "nowhere"]


def test_a_package_that_something_hides_is_told_with_both_places(code: Path, tmp_path: Path) -> None:
    (tmp_path / "healthy").mkdir()
    (tmp_path / "healthy" / "__init__.py").write_text("")
    profile = Profile(modules=("healthy",), path=(str(code), str(tmp_path)))
    request = {**profile.as_request(str(tmp_path)), "checks": ["paths"]}
    done = subprocess.run(
        probe_argv(DEBIAN, request, payload="reliability.py"), capture_output=True, text=True, check=True, timeout=60
    )
    [check] = parse_reliability(done.stdout).checks
    assert check.error == f"{code}/healthy/__init__.py hides the one in {tmp_path}"


def test_calling_is_asked_for(code: Path) -> None:
    assert failed(run(code, "callable_one:broken", checks=("fresh",))) == {}
    found = failed(run(code, "callable_one:broken", "callable_one:fine", checks=("fresh",), call=True))
    assert found == {("fresh", "callable_one:broken"): "ValueError: called"}


def test_what_modules_print_does_not_get_in_the_way(code: Path) -> None:
    assert failed(run(code, "talks", checks=("fresh", "threads", "stress"))) == {}


def test_a_deadline_ends_an_import_and_the_rest_goes_on(code: Path, tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n")
    found = failed(run(tmp_path, "hangs", "json", checks=("load",), deadline_seconds=1))
    assert found == {("load", "hangs"): "it did not end within 1 s"}


@pytest.mark.parametrize("payload", ["reliability.py", "probe.py"])
@pytest.mark.parametrize("how", ["SIGTERM", "its connection ends"])
def test_nothing_is_left_running_when_it_is_told_to_stop(tmp_path: Path, payload: str, how: str) -> None:
    module = f"hangs_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(
        f"import time\nopen({str(tmp_path / 'started')!r}, 'w').close()\ntime.sleep(600)\n"
    )
    request = {**Profile(modules=(module,), path=(str(tmp_path),)).as_request(str(tmp_path)), "checks": ["fresh"]}
    with subprocess.Popen(
        probe_argv(DEBIAN, request, payload=payload, attached=how != "SIGTERM"), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        while not (tmp_path / "started").exists():
            assert process.poll() is None
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(20) == 124, process.stdout and process.stdout.read()
    assert soon(lambda: _running(module) == []), _running(module)


def _running(module: str) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if module.encode() in _content(path)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_nothing_is_written_beside_the_code(code: Path) -> None:
    before = sorted(path for path in code.rglob("*"))
    run(code, "healthy", checks=CHECKS)
    assert sorted(path for path in code.rglob("*")) == before
    assert json.dumps([str(path) for path in before]).count("__pycache__") == 0

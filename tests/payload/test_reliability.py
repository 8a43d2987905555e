"""The reliability profile on real interpreters: each fault in a real package is found, and none in a healthy one."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.payload.conftest import eventually, make_python
from tests.payload.faults import ALL, FAULTS, HEALTHY
from tests.payload.test_probe import DEBIAN
from wheelwarden.payload import probe_argv
from wheelwarden.payload.reliability.asking import TaskRunner
from wheelwarden.payload.reliability.checks import try_stress
from wheelwarden.verify.reliability import CHECKS, Check, Profile, parse_reliability


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("code"), HEALTHY)


def run(
    code: Path,
    *modules: str,
    checks: tuple[str, ...] = CHECKS,
    python: str = DEBIAN,
    search_path: str = "",
    **more: Any,
) -> dict[tuple[str, str], Check]:
    """Runs the profile. Returns its checks by (check, subject)."""
    small = {"workers": 4, "each": 10, "repeats": 40, "rounds": 2, "deadline_seconds": 20, "budget_ms": 20000, **more}
    profile = Profile(modules=modules, path=(str(code),), **small)
    request = {
        **profile.as_request(search_path),
        "checks": [check for check in checks if check not in ("time", "identity")],
    }
    environment = os.environ | {"WW_LOCK": str(code / "lock")}
    done = subprocess.run(
        probe_argv(python, request, program="reliability"), env=environment, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {(check.check, check.subject): check for check in parse_reliability(done.stdout).checks}


def paths_of(
    first: Path, second: Path, module: str, *, search_path: Path | str = "", rounds: int = 1, **variables: str
) -> Check:
    """The check `paths` of a module, with these two entries of the search path."""
    profile = Profile(modules=(module,), path=(str(first), str(second)), rounds=rounds)
    request = {**profile.as_request(str(search_path)), "checks": ["paths"]}
    done = subprocess.run(
        probe_argv(DEBIAN, request, program="reliability"), env=os.environ | variables, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    [check] = parse_reliability(done.stdout).checks
    return check


def failed(found: dict[tuple[str, str], Check]) -> dict[tuple[str, str], str]:
    return {key: str(check.error) for key, check in found.items() if not check.ok}


def test_a_healthy_package_passes_every_check(code: Path) -> None:
    found = run(code, "healthy:answer", "json:dumps", "healthy.inner:answer", "healthy")
    assert failed(found) == {}
    assert {check for check, _ in found} == set(CHECKS)
    assert {one.measured["rounds"] for one in found.values()} == {2}
    assert found["stress", "healthy"].measured["done"] == 80
    assert found["fresh", "healthy"].measured["peakBytes"] > 1 << 20
    assert found["memory", "healthy"].measured["loadedAgain"] is True
    assert found["paths", "healthy"].measured["places"][0]["file"] == str(code / "healthy" / "__init__.py")
    assert found["paths", "healthy"].measured["workingDirectory"] == str(Path.cwd())
    names = [entry["name"] for entry in found["paths", "healthy"].measured["files"]]
    assert "inner.py" in names
    assert all(entry["modified"] > 0 for entry in found["paths", "healthy"].measured["files"])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_its_fixed_twin_passes(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    faulty = write(tmp_path / "faulty", fault.files)
    fixed = write(tmp_path / "fixed", {**fault.files, **fault.fixed})
    found = failed(run(faulty, *fault.modules, checks=fault.checks, **fault.options))
    assert set(found) == set(fault.found)
    for key, pattern in fault.found.items():
        assert re.match(pattern, found[key]), found[key]
    assert failed(run(fixed, *fault.modules, checks=fault.checks, **fault.options)) == {}


@pytest.mark.parametrize(
    ("name", "check", "advice", "tried"),
    [
        ("module", "paths", "Install the package that provides it", {"paths"}),
        ("module of a package", "paths", "Install the package that provides it", {"paths"}),
        ("attribute", "fresh", "The module has no such attribute", {"paths", "fresh", "cycles"}),
        ("dependency", "fresh", "It imports a missing module", {"paths", "fresh", "cycles"}),
    ],
)
def test_a_missing_module_is_reported_once_with_advice(
    name: str, check: str, advice: str, tried: set[str], tmp_path: Path
) -> None:
    fault = FAULTS[name]
    module = fault.modules[0]
    found = run(write(tmp_path, fault.files), *fault.modules, checks=ALL)
    assert {check for check, subject in found if module in subject} == tried
    assert found[check, module].remedy.startswith(advice)
    assert set(found[check, module].measured["notTried"]) == set(ALL) - tried


def test_different_packages_may_have_functions_of_the_same_name(code: Path) -> None:
    found = run(code, "json:dumps", "pickle:dumps", checks=("order",))
    assert set(found) == {("order", "json:dumps then pickle:dumps"), ("order", "pickle:dumps then json:dumps")}
    assert failed(found) == {}


def test_pairs_of_the_same_name_are_tried_first_and_omitted_pairs_are_counted(code: Path, tmp_path: Path) -> None:
    fault = FAULTS["two classes of one name"]
    write(tmp_path, {**fault.files, "other.py": ""})
    found = run(tmp_path, fault.modules[0], "other", fault.modules[1], checks=("order",), pairs=2)
    assert set(failed(found)) == set(fault.found)
    assert found["order", "4 more pairs"].measured["cause"] == "only 2 pairs are tried"


def test_each_failure_of_several_interpreters_has_its_worker_exit_code_and_stderr(tmp_path: Path) -> None:
    write(tmp_path, FAULTS["dies"].files)
    found = run(tmp_path, "dies", checks=("processes",))
    assert found["processes", "dies"].measured == {
        "rounds": 1,
        "failures": 5,
        "firstFailures": [
            {
                "round": 1, "worker": worker, "iteration": None, "exitCode": 7, "stderr": "out of luck",
                "error": "the interpreter exited with code 7 out of luck",
            }
            for worker in (1, 2, 3, 4, 5)
        ],
    }  # fmt: skip


@pytest.mark.parametrize("check", ["fresh", "order", "load"])
def test_a_failure_of_one_interpreter_has_its_exit_code_and_stderr(check: str, tmp_path: Path) -> None:
    write(tmp_path, FAULTS["dies"].files)
    found = run(tmp_path, "dies", "json", checks=(check,), pairs=1)
    [failure] = [one for one in found.values() if not one.ok]
    assert (failure.check, failure.measured["exitCode"], failure.measured["stderr"]) == (check, 7, "out of luck")


def test_the_stress_check_reports_the_first_ten_failures_in_order(tmp_path: Path) -> None:
    write(tmp_path, {"never.py": "raise RuntimeError('x' * 300)\n"})
    # All of them would exceed the size of a pipe.
    measured = run(tmp_path, "never", checks=("stress",), workers=2, each=500)["stress", "never"].measured
    assert (measured["done"], measured["failures"]) == (0, 1000)
    first = measured["firstFailures"]
    assert len(first) == 10
    after = [one["afterSeconds"] for one in first]
    assert after == sorted(after)
    for worker in (1, 2):
        iterations = [one["iteration"] for one in first if one["worker"] == worker]
        assert iterations == list(range(1, len(iterations) + 1))
    for one in first:
        assert (one["round"], one["exitCode"], one["error"][:16]) == (1, 1, "RuntimeError: xx")
        assert "RuntimeError: xx" in one["stderr"]


def test_failures_of_all_workers_are_sorted_by_time() -> None:
    def answer(*failures: tuple[int, float]) -> dict[str, Any]:
        errors = [{"iteration": iteration, "at": at, "error": f"at {at:g}"} for iteration, at in failures]
        return {
            "error": None,
            "errors": errors,
            "failed": len(errors),
            "done": 0,
            "exitCode": 1,
            "stderr": "",
            "at": 99.0,
        }

    class FixedAnswers(TaskRunner):
        def run_many(self, *_: Any, **__: Any) -> list[tuple[int, dict[str, Any]]]:
            late = [(number, 50.0 + number) for number in range(3, 12)]
            return [(1, answer((1, 30.0), (2, 50.0))), (2, answer((1, 20.0), (2, 40.0), *late))]

    [row] = try_stress(FixedAnswers(Profile(modules=("six",)).as_request(""), 0.0), ["six"])
    shown = [(one["worker"], one["iteration"], one["error"]) for one in row.measured["firstFailures"]]
    assert shown == [(2, 1, "at 20"), (1, 1, "at 30"), (2, 2, "at 40"), (1, 2, "at 50"),
                     *[(2, number, f"at {50 + number}") for number in range(3, 9)]]  # fmt: skip
    assert row.error == "13 of 13 imports failed; worker 2, exit code 1: at 20"


@pytest.mark.parametrize(
    ("check", "imports", "fault"),
    [
        ("fresh", 1, "raise RuntimeError('second round')"),
        ("cycles", 1, "raise ImportError('circular import in the second round')"),
        ("order", 1, "raise RuntimeError('second round')"),
        ("processes", 5, "raise RuntimeError('second round')"),
        ("threads", 1, "raise RuntimeError('second round')"),
        ("load", 1, "raise RuntimeError('second round')"),
        ("stress", 40, "raise RuntimeError('second round')"),
        ("memory", 80, "kept = __import__('builtins').__dict__.setdefault('kept', []); kept.append(b'x' * 65536)"),
    ],
)
def test_a_fault_in_the_second_round_is_found(check: str, imports: int, fault: str, tmp_path: Path) -> None:
    counted = (
        f"import os\nwith open({str(tmp_path / 'count')!r}, 'ab') as file:\n    file.write(b'x')\n"
        f"if os.stat({str(tmp_path / 'count')!r}).st_size > {imports}:\n    {fault}\n"
    )
    write(tmp_path, {"second.py": counted})
    modules, subject = (("second",), "second") if check != "order" else (("second", "json"), "second then json")
    assert failed(run(tmp_path, *modules, checks=(check,), rounds=1, pairs=1)) == {}
    (tmp_path / "count").unlink()
    found = run(tmp_path, *modules, checks=(check,), rounds=2, pairs=1)
    assert set(failed(found)) == {(check, subject)}
    assert found[check, subject].measured["rounds"] == 2


def test_a_module_that_appears_late_is_found_and_so_is_one_that_hides_it_later(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    # Runs at every interpreter start: the third attempt finds the module, the fourth (second round) finds one that hides it.
    started = (
        f"import os\nplaces = [None, None, {str(second)!r}, {str(first)!r}]\n"
        f"with open({str(tmp_path / 'count')!r}, 'ab') as file:\n    file.write(b'x')\n"
        f"place = places[min(3, os.stat({str(tmp_path / 'count')!r}).st_size - 1)]\n"
        "if place:\n    open(os.path.join(place, 'late.py'), 'w').close()\n"
    )
    write(second, {"sitecustomize.py": started})
    for rounds, expected in ((1, None), (2, f"{first}/late.py hides the one in {second}")):
        found = paths_of(first, second, "late", search_path=second, rounds=rounds, PYTHONPATH=str(second))
        assert (found.error, found.measured["attempts"]) == (expected, 3)
        for path in (tmp_path / "count", first / "late.py", second / "late.py"):
            path.unlink(missing_ok=True)


def test_a_hidden_package_is_reported_with_both_locations(code: Path, tmp_path: Path) -> None:
    write(tmp_path, {"healthy/__init__.py": ""})
    found = paths_of(code, tmp_path, "healthy", search_path=tmp_path)
    assert found.error == f"{code}/healthy/__init__.py hides the one in {tmp_path}"
    assert found.remedy.startswith("Rename or remove the module that hides it")
    assert paths_of(tmp_path, code, "healthy", search_path=tmp_path).ok


def test_a_package_that_lacks_the_module_hides_the_one_that_has_it(tmp_path: Path) -> None:
    old = write(tmp_path / "old", {"store/__init__.py": ""})
    new = write(tmp_path / "new", {"store/__init__.py": "", "store/models.py": ""})
    found = paths_of(old, new, "store.models")
    assert found.error == f"{old}/store/__init__.py hides the one in {new}"
    fixed = paths_of(new, old, "store.models")
    assert (fixed.ok, fixed.measured["places"][0]["file"]) == (True, f"{new}/store/models.py")


@pytest.mark.parametrize(
    ("module", "files", "file"),
    [
        ("os.path", {}, "posixpath.py"),
        ("space.inner.leaf", {"a/space/inner/leaf.py": "", "b/space/other.py": ""}, "a/space/inner/leaf.py"),
        ("space.other", {"a/space/inner/leaf.py": "", "b/space/other.py": ""}, "b/space/other.py"),
        ("long.leaf", {
            "a/long/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
            "b/long/__init__.py": "", "b/long/leaf.py": "",
        }, "b/long/leaf.py"),
        ("made.inside", {
            "a/made.py": "import sys, types\nsys.modules['made.inside'] = types.ModuleType('made.inside')\n__path__ = []\n",
        }, None),
    ],
    ids=["created by Python", "namespace", "second part of a namespace", "extended path", "created by its package"],
)  # fmt: skip
def test_a_module_is_found_in_its_package(
    module: str, files: Mapping[str, str], file: str | None, tmp_path: Path
) -> None:
    write(tmp_path, files)
    found = paths_of(tmp_path / "a", tmp_path / "b", module)
    assert (found.ok, found.error) == (True, None)
    place = found.measured["places"][0]["file"]
    assert place is None if file is None else place.endswith(file)


@pytest.mark.parametrize("layout", ["flat", "src"])
def test_an_editable_install_is_found(layout: str, tmp_path: Path) -> None:
    """PEP 660 by setuptools: an own finder for some layouts, a .pth file for others."""
    home = tmp_path / "project"
    package = "lib/editable" if layout == "flat" else "src/editable"
    where = '[tool.setuptools.package-dir]\neditable = "lib/editable"\n' if layout == "flat" else ""
    settings = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    write(home, {
        "pyproject.toml": f'{settings}[project]\nname = "editable"\nversion = "1.0"\n{where}',
        f"{package}/__init__.py": "", f"{package}/models.py": "answer = 42\n",
    })  # fmt: skip
    build = f"import setuptools.build_meta as backend; print(backend.build_editable({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=home, check=True, capture_output=True)
    python = make_python(tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", "--no-index", str(wheel)], check=True)
    found = run(tmp_path / "nothing", "editable.models:answer", "editable", checks=("paths", "fresh"), python=python)
    assert failed(found) == {}
    assert found["paths", "editable.models:answer"].measured["places"][0]["file"] == f"{home}/{package}/models.py"
    missing = run(tmp_path / "nothing", "editable.absent", checks=("paths",), python=python)
    assert failed(missing) == {
        ("paths", "editable.absent"): f"editable is in {home}/{package}/__init__.py, but has no editable.absent"
    }


def test_a_compiled_module_is_not_loaded_twice(code: Path) -> None:
    found = run(code, "_decimal", "healthy", checks=("memory", "stress"))
    assert failed(found) == {}
    assert [found[check, "_decimal"].measured["loadedAgain"] for check in ("memory", "stress")] == [False, False]
    assert [found[check, "healthy"].measured["loadedAgain"] for check in ("memory", "stress")] == [True, True]


def test_interpreters_that_hang_share_one_deadline(tmp_path: Path) -> None:
    write(tmp_path, FAULTS["hangs"].files)
    found = run(tmp_path, "hangs", checks=("processes",), deadline_seconds=3, processes=60, rounds=1)
    assert found["processes", "hangs"].measured["failures"] == 60


def test_checks_without_time_left_are_reported(code: Path) -> None:
    found = failed(run(code, "healthy", checks=("fresh", "load"), round_seconds=0))
    assert found == {
        ("fresh", "healthy"): "no time was left for round 1 of 2",
        ("load", "healthy"): "no time was left for round 1 of 2",
    }


def test_output_of_modules_does_not_break_the_answer(tmp_path: Path) -> None:
    write(tmp_path, {"talks.py": "import sys\nprint('x' * 200000)\nprint('y' * 200000, file=sys.stderr)\n"})
    assert failed(run(tmp_path, "talks", checks=("fresh", "threads", "stress"))) == {}


@pytest.mark.parametrize("program", ["reliability", "probe"])
@pytest.mark.parametrize("how", ["SIGTERM", "its connection closes"])
def test_nothing_is_left_running_after_sigterm_or_a_closed_connection(tmp_path: Path, program: str, how: str) -> None:
    module = f"hangs_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(
        f"import time\nopen({str(tmp_path / 'started')!r}, 'w').close()\ntime.sleep(600)\n"
    )
    request = {**Profile(modules=(module,), path=(str(tmp_path),)).as_request(str(tmp_path)), "checks": ["fresh"]}
    with subprocess.Popen(
        probe_argv(DEBIAN, request, program=program, attached=how != "SIGTERM"), stdin=subprocess.PIPE,
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
    assert eventually(lambda: _running(module) == []), _running(module)


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

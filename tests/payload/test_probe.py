"""The probe on real interpreters, with a real faulty package for each reason."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster import artifacts, packages
from tests.payload.conftest import UV, is_running, patched
from wheelwarden.payload import probe_argv
from wheelwarden.payload.probe import attempts
from wheelwarden.verify import ProbeReport, parse_report
from wheelwarden.verify.results import parse_finished

DEBIAN = "/usr/bin/python3"
FAULTY = (
    "ww-broken==1.0", "ww-circular", "ww-libmissing", "ww-needs-missing", "ww-native", "ww-undefined", "ww-slow", "six",
    "ww-twoface",
)  # fmt: skip


def minor_of(python: Path) -> int:
    """The minor version of an interpreter, from the name of its folder."""
    return int(python.parts[-3].split(".")[1])


FOUND = sorted(Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python3"))
# Supported interpreters (docs/guide.md), and older ones.
OTHERS = sorted({*(str(path) for path in FOUND if minor_of(path) >= 8), DEBIAN, sys.executable})
TOO_OLD = sorted(str(path) for path in FOUND if minor_of(path) < 7)


def ask(search_path: Path, *modules: str, **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "modules": list(modules),
        "distributions": [],
        "searchPath": str(search_path),
        "deadlineSeconds": 20,
        "totalSeconds": 60,
        **more,
    }


def probe(request: dict[str, Any], *, python: str = DEBIAN, cwd: Path | None = None, **variables: str) -> ProbeReport:
    environment = os.environ | {"PYTHONPATH": request["searchPath"], **variables}
    done = subprocess.run(
        probe_argv(python, request), env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return parse_report(done.stdout)


def outcome(report: ProbeReport) -> dict[str, str]:
    return {result.module: "ok" if result.ok else str(result.reason) for result in report.results}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faulty packages, installed for the Debian interpreter."""
    target = tmp_path_factory.mktemp("site")
    command: list[str | Path] = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        DEBIAN,
        "--target",
        target,
        "--no-index",
        "--no-config",
    ]
    wheels = packages.prepare(artifacts.CACHE)
    subprocess.run([*command, "--find-links", wheels, *FAULTY], check=True, timeout=120)
    return target


def write(folder: Path, **modules: str) -> Path:
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def test_each_fault_has_its_reason(site: Path) -> None:
    modules = [
        "six",
        "ww_broken",
        "ww_circular",
        "ww_libmissing",
        "ww_needs_missing",
        "ww_undefined",
        "six:nothing",
        "nope",
    ]
    report = probe(ask(site, *modules))
    assert outcome(report) == {
        "six": "ok",
        "ww_broken": "ImportFailed",
        "ww_circular": "CircularImport",
        "ww_libmissing": "MissingSharedLibrary",
        "ww_needs_missing": "ModuleNotFound",
        "ww_undefined": "IncompatibleBinary",
        "six:nothing": "AttributeNotFound",
        "nope": "ModuleNotFound",
    }
    broken = report.results[1]
    assert broken.error == "RuntimeError: ww-broken 1.0 cannot be imported; 1.1 is mended"
    assert "Traceback" in broken.stderr
    assert broken.exit_code == 1
    assert report.results[0].file == str(site / "six.py")


def test_an_extension_for_another_interpreter_is_incompatible(site: Path) -> None:
    others = [python for python in OTHERS if ".".join(map(str, version_of(python))) != "3.11"]
    assert outcome(probe(ask(site, "ww_native")))["ww_native"] == "ok"
    for python in others:
        assert outcome(probe(ask(site, "ww_native"), python=python))["ww_native"] == "IncompatibleBinary"


def version_of(python: str) -> tuple[int, int]:
    done = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    major, minor = done.stdout.split()
    return int(major), int(minor)


def test_the_working_directory_is_not_on_the_search_path(tmp_path: Path) -> None:
    home, site = tmp_path / "home", tmp_path / "site"
    home.mkdir()
    site.mkdir()
    write(home, json="raise SystemExit('stray')", mine="", subprocess="raise SystemExit('stray')")
    report = probe(ask(site, "json", "mine"), cwd=home)
    assert outcome(report) == {"json": "ok", "mine": "ModuleNotFound"}


def test_output_or_exit_of_a_module_does_not_break_the_answer(tmp_path: Path) -> None:
    write(
        tmp_path,
        chatty="import sys; print('{}'); print('x' * 100_000); print('to stderr', file=sys.stderr)",
        leaves="raise SystemExit(3)",
        vanishes="import os; os._exit(0)",
        crashes="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        closes="import os; os.close(1); os.close(2)",
    )
    report = probe(ask(tmp_path, "chatty", "leaves", "vanishes", "crashes", "closes"))
    assert outcome(report) == {
        "chatty": "ok",
        "leaves": "ImportFailed",
        "vanishes": "ImportFailed",
        "crashes": "ImportFailed",
        "closes": "ok",
    }
    by_name = {result.module: result for result in report.results}
    assert by_name["chatty"].stderr == "to stderr\n"
    assert len(by_name["chatty"].stdout) < 10_000
    assert by_name["leaves"].error == "SystemExit: 3"
    assert by_name["crashes"].error == "the interpreter was killed by signal 11 (SIGSEGV) during the import"
    assert by_name["vanishes"].error == "the interpreter exited with code 0 during the import"


def test_an_error_of_any_length_and_content_is_reported_short_and_printable(tmp_path: Path) -> None:
    write(
        tmp_path,
        long="raise ImportError('x' * 200_000)",
        strange=r"raise ImportError('a \udcff b \0 c \n last')",
        silent="raise ImportError",
    )
    report = probe(ask(tmp_path, "long", "strange", "silent", deadlineSeconds=5))
    assert {result.module: (result.reason, result.error) for result in report.results} == {
        "long": ("ImportFailed", "ImportError: " + "x" * 287),
        "strange": ("ImportFailed", "ImportError: a \\udcff b \\x00 c \\n last"),
        "silent": ("ImportFailed", "ImportError"),
    }


def test_a_module_over_its_deadline_is_killed_with_all_its_children(tmp_path: Path) -> None:
    write(
        tmp_path,
        hangs="import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\ntime.sleep(300)",
    )
    report = probe(ask(tmp_path, "hangs", "json", deadlineSeconds=1))
    assert outcome(report) == {"hangs": "ProbeTimeout", "json": "ok"}
    assert report.results[0].seconds < 1
    assert not is_running((tmp_path / "pid").read_text())


def test_the_exit_code_overrides_the_report(tmp_path: Path) -> None:
    """A module may write a report of its own, and before ours."""
    report = r"b'1\0000.1\000x\000\000'"
    write(
        tmp_path,
        claims=f"import os, sys; os.write(int(sys.argv[2]), {report}); os._exit(3)",
        dies="import os; real = os._exit; os._exit = lambda code: real(4)",
    )
    claims, dies = probe(ask(tmp_path, "claims", "dies")).results
    assert (claims.ok, claims.exit_code, claims.reason) == (False, 3, "ImportFailed")
    assert claims.error == "the interpreter exited with code 3 during the import"
    assert (dies.ok, dies.exit_code, dies.reason) == (False, 4, "ImportFailed")


@pytest.mark.parametrize("seconds", ["nan", "-1", "1e9", "inf"])
def test_an_impossible_time_in_a_report_is_replaced_by_the_measured_one(tmp_path: Path, seconds: str) -> None:
    write(tmp_path, lies=f"import os, sys; os.write(int(sys.argv[2]), b'1\\x00{seconds}\\x00\\x00\\x00'); os._exit(0)")
    [result] = probe(ask(tmp_path, "lies")).results
    assert result.ok
    assert 0 < result.seconds < 20


def test_an_import_that_exits_just_after_its_deadline_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline passes between two checks of an interpreter that exits on its own."""
    times = iter([0, 0.5, 0, 1.0])
    monkeypatch.setattr(attempts, "exits_within", lambda *_: True)
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: next(times)))
    exited: Any = None
    assert [attempts.wait_for(exited, 0.9), attempts.wait_for(exited, 1.0)] == [None, "ProbeTimeout"]


def test_the_reported_command_is_the_one_that_was_run(tmp_path: Path) -> None:
    write(tmp_path, mine="import sys\nsub = 5\nprint(sys.executable)")
    results = probe(ask(tmp_path, "mine", "mine:sub", "os.path:join", "mine:no.more")).results
    executable = results[0].stdout.strip()
    assert [result.argv for result in results] == [
        (executable, "-c", "import mine"),
        (executable, "-c", "import mine; mine.sub"),
        (executable, "-c", "import os.path; os.path.join"),
        (executable, "-c", "import mine; mine.no.more"),
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    for result in results:
        again = subprocess.run(result.argv, env=environment, cwd="/", capture_output=True, text=True, check=False)
        assert (again.returncode, again.stderr) == (result.exit_code, result.stderr)


def test_a_stream_is_truncated_at_its_limit_with_a_notice(tmp_path: Path) -> None:
    write(
        tmp_path,
        chatty="import sys; print('é' * 99 + 'x' * 9_990, end=''); print('y' * 10_000, end='', file=sys.stderr)",
    )
    [result] = probe(ask(tmp_path, "chatty", outputLimit=10_000)).results
    assert result.stdout == "[the first 178 bytes are left out]\n" + "é" * 10 + "x" * 9_990
    assert result.stderr == "y" * 10_000


def test_each_result_is_printed_immediately(tmp_path: Path) -> None:
    """A caller whose connection breaks has all results up to then."""
    mark = tmp_path / "go"
    os.mkfifo(mark)
    write(tmp_path, waits=f"open({str(mark)!r}).read()")
    argv = probe_argv(DEBIAN, ask(tmp_path, "json", "waits"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert [result.module for result in parse_finished(first)] == ["json"]
        mark.write_text("")
        assert outcome(parse_report(first + process.stdout.read())) == {"json": "ok", "waits": "ok"}


def test_a_child_that_keeps_the_pipes_open_does_not_hold_the_probe(tmp_path: Path) -> None:
    write(
        tmp_path,
        forks="import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])",
    )
    report = probe(ask(tmp_path, "forks", deadlineSeconds=2))
    assert outcome(report) == {"forks": "ok"}


def test_modules_without_time_left_are_reported_as_timeouts(tmp_path: Path) -> None:
    write(tmp_path, hangs="import time; time.sleep(300)", hangs_too="import time; time.sleep(300)")
    report = probe(ask(tmp_path, "hangs", "hangs_too", "json", deadlineSeconds=5, totalSeconds=1))
    assert outcome(report) == {"hangs": "ProbeTimeout", "hangs_too": "ProbeTimeout", "json": "ProbeTimeout"}


def test_modules_are_derived_from_the_metadata_of_the_requested_distributions(site: Path, tmp_path: Path) -> None:
    report = probe(ask(site, distributions=["ww_twoface", "six", "not-installed"]))
    assert (report.derived, outcome(report)) == (True, {"six": "ok", "twoface_import": "ok"})

    info = tmp_path / "spread-1.0.dist-info"
    info.mkdir()
    record = [
        "space/inner/__init__.py,,",
        "space/inner/deep/__init__.py,,",
        "_hidden.py,,",
        "spread-1.0.dist-info/RECORD,,",
    ]
    (info / "RECORD").write_text("\n".join(record))
    (tmp_path / "space" / "inner" / "deep").mkdir(parents=True)
    (tmp_path / "space" / "inner" / "__init__.py").touch()
    empty = tmp_path / "nothing_inside-2.0.dist-info"
    empty.mkdir()
    (empty / "RECORD").write_text("nothing_inside-2.0.dist-info/METADATA,,\n../../bin/tool,,\n")
    private = tmp_path / "private-1.dist-info"
    private.mkdir()
    (private / "RECORD").write_text("_only.py,,\n")
    write(tmp_path, _only="")
    assert outcome(probe(ask(tmp_path, distributions=["spread"]))) == {"space.inner": "ok"}
    assert outcome(probe(ask(tmp_path, distributions=["nothing-inside"]))) == {}
    assert outcome(probe(ask(tmp_path, distributions=["private"]))) == {"_only": "ok"}


def test_unreadable_packages_are_an_error_and_not_packages_without_modules(tmp_path: Path) -> None:
    request = ask(tmp_path / "nowhere", distributions=["six"])
    done = subprocess.run(probe_argv(DEBIAN, request), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the installed packages cannot be read: ")
    assert str(tmp_path / "nowhere") in done.stderr


def test_a_file_that_hides_an_installed_package_is_named(site: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    write(first, six="")
    report = probe(ask(site, "six:moves"), PYTHONPATH=f"{first}:{site}")
    assert outcome(report) == {"six:moves": "Shadowed"}
    assert str(first / "six.py") in str(report.results[0].error)


def test_a_probe_without_modules_does_not_load_subprocess(tmp_path: Path) -> None:
    """A probe that only reads the usage of the volume should cost little more than the start of Python."""
    python, *arguments = probe_argv(DEBIAN, ask(tmp_path))
    argv = [python, "-S", "-X", "importtime", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert parse_report(done.stdout).usage is not None
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "wheelwarden.payload.probe.__main__" in loaded
    assert loaded & {"subprocess", "wheelwarden.payload.probe.attempts"} == set()


@pytest.mark.parametrize("python", OTHERS)
def test_it_runs_on_every_interpreter_of_this_machine(python: str, tmp_path: Path) -> None:
    report = probe(ask(tmp_path, "json", "nope"), python=python)
    assert outcome(report) == {"json": "ok", "nope": "ModuleNotFound"}
    assert json.loads(json.dumps(report.python)).startswith("3.")


@pytest.mark.parametrize("program", ["install", "probe", "reliability"])
@pytest.mark.parametrize("python", TOO_OLD)
def test_on_an_interpreter_that_is_too_old_the_message_names_its_version(
    python: str, program: str, tmp_path: Path
) -> None:
    argv = probe_argv(python, ask(tmp_path, "json"), program=program)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    version = ".".join(map(str, version_of(python)))
    error = f"Wheelwarden needs Python 3.8 or later in the image, but this is {version}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", error)


def test_the_installed_version_is_determined_by_the_files(tmp_path: Path) -> None:
    """`pip install --target` over an older version keeps the old files and adds the new metadata."""
    index = packages.prepare(artifacts.CACHE)
    target = tmp_path / "target"
    for version in ("1.16.0", "1.17.0"):
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--find-links", str(index),
             "--target", str(target), f"six=={version}"],
            check=True, capture_output=True,
        )  # fmt: skip
    report = probe(ask(target, distributions=["six", "Nowhere"], inspect=["six", "Nowhere"]))
    six, nowhere = report.distributions
    assert dict(six.found) == {"1.16.0": True, "1.17.0": False}
    assert six.versions == ("1.16.0",)
    assert (nowhere.name, nowhere.found) == ("Nowhere", ())
    (target / "six.py").write_text("# half of it")
    [six] = probe(ask(target, inspect=["six"])).distributions
    assert six.damaged


def test_without_a_search_path_the_modules_of_the_image_are_tried(tmp_path: Path) -> None:
    request = {**ask(tmp_path, distributions=["pip"], inspect=["pip"]), "searchPath": ""}
    report = probe(request, python=sys.executable)
    assert outcome(report) == {"pip": "ok"}
    assert report.distributions[0].found
    assert report.usage is None


CGROUPS = {
    "v2": {
        "memory.max": "104857600\n",
        "memory.current": "{used}\n",
        "memory.stat": "anon 5\ninactive_file 1000\nactive_file 1000\nshmem 7\n",
    },
    "v1": {
        "memory/memory.limit_in_bytes": "104857600\n",
        "memory/memory.usage_in_bytes": "{used}\n",
        "memory/memory.stat": "total_inactive_file 1000\ntotal_active_file 1000\ninactive_file 9\n",
    },
}


def guarded(
    folder: Path, files: dict[str, str], used: int, request: dict[str, Any]
) -> "subprocess.CompletedProcess[str]":
    """Runs the probe with these files as the cgroup of the container."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(used=used))
    program = patched("probe", 'CGROUP = "/sys/fs/cgroup"', f"CGROUP = {str(folder)!r}")
    argv = [DEBIAN, "-I", "-c", program, json.dumps(request)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("version", CGROUPS)
def test_an_import_is_killed_before_the_container_runs_out_of_memory(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    grow = tmp_path / next(iter(CGROUPS[version]))
    usage = grow.with_name("memory.current" if version == "v2" else "memory.usage_in_bytes")
    code = f"import time\nopen({str(usage)!r}, 'w').write('101000000')\ntime.sleep(60)\n"
    (tmp_path / "code" / "greedy.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    done = guarded(tmp_path, CGROUPS[version], 50_000_000, ask(tmp_path / "code", "greedy"))
    report = parse_report(done.stdout)
    assert outcome(report) == {"greedy": "OutOfMemory"}
    assert report.results[0].error == "it needs more memory than the container has left of its limit of 100 MiB"


def test_in_a_container_without_free_memory_no_import_is_tried(tmp_path: Path) -> None:
    done = guarded(tmp_path, CGROUPS["v2"], 101_000_000, ask(tmp_path, "json"))
    assert done.returncode == 1
    assert done.stderr == "the container uses 96 MiB of its limit of 100 MiB, so no import is tried\n"
    # The file cache can be reclaimed.
    files = {**CGROUPS["v2"], "memory.stat": "inactive_file 40000000\nactive_file 40000000\n"}
    assert guarded(tmp_path, files, 101_000_000, ask(tmp_path, "json")).returncode == 0
    assert guarded(tmp_path, {**files, "memory.max": "max\n"}, 101_000_000, ask(tmp_path, "json")).returncode == 0

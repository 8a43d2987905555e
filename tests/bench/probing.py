"""Proving: a probe of ten modules against the bare imports, each in an interpreter of its own too."""

import json
import statistics
import subprocess
import time

from tests.bench.figures import Figure
from wheelwarden.payload import probe_argv
from wheelwarden.verify import parse_report

PYTHON = "/usr/bin/python3"
MODULES = (
    "json",
    "email",
    "asyncio",
    "sqlite3",
    "xml.dom",
    "decimal",
    "http.client",
    "logging.config",
    "unittest",
    "ctypes",
)
ROUNDS = 5


def measure() -> list[Figure]:
    request = {
        "version": 1, "modules": list(MODULES), "distributions": [], "searchPath": "/packages/site-packages",
        "deadlineSeconds": 60, "totalSeconds": 300,
    }  # fmt: skip
    over = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for module in MODULES:
            subprocess.run([PYTHON, "-c", f"import {module}"], check=True)
        bare = time.perf_counter() - started
        started = time.perf_counter()
        done = subprocess.run(probe_argv(PYTHON, request), check=True, capture_output=True, text=True)
        probed = time.perf_counter() - started
        report = parse_report(done.stdout)
        assert all(result.ok for result in report.results), json.loads(done.stdout)
        over.append(probed - bare)
    return [
        Figure(what="probe of 10 modules, over the bare imports", value=statistics.median(over), unit="s", goal="≤0.3")
    ]

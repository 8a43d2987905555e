"""Admission: the webhook's application on one core over TLS keep-alive, 16 connections, a review of about 7 KB."""

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.cluster.pki import make_pki

CONNECTIONS = 16
SECONDS = 5.0
REVIEW_BYTES = 7000


def measure(work: Path) -> list[Figure]:
    pki = make_pki(work / "pki", server="https://127.0.0.1", hosts=["127.0.0.1"])
    cores = sorted(os.sched_getaffinity(0))
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.webhook_server", pki.certificate("server"), pki.key("server")],
        stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}),
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        context = ssl.create_default_context(cafile=str(pki.ca))
        os.sched_setaffinity(0, {cores[-1]})
        asyncio.run(load(port, context, 1, 0.0))
        first = time.perf_counter() - started
        asyncio.run(load(port, context, CONNECTIONS, 1.0))
        before = cpu_seconds(server.pid)
        times, elapsed = asyncio.run(load(port, context, CONNECTIONS, SECONDS))
        cpu = cpu_seconds(server.pid) - before
        rss = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    finally:
        server.kill()
        server.wait()
        os.sched_setaffinity(0, set(cores))
    percentile = statistics.quantiles(times, n=100)[98] * 1000
    return [
        Figure(what="admission, all rules: reviews on one core", value=len(times) / elapsed, unit="/s", goal="≥6000"),
        Figure(what="admission: CPU for each review", value=cpu / len(times) * 1e6, unit="µs", goal="≤160"),
        Figure(what="admission: 99th percentile", value=percentile, unit="ms", goal="≤6"),
        Figure(what="webhook: start to first review", value=first, unit="s", goal="≤1.5"),
        Figure(what="webhook: resident memory (without the Kubernetes client)", value=rss, unit="MB", goal="≤95"),
    ]


def review() -> bytes:
    spec = {"packages": [f"package-{number}>=1.{number},<2" for number in range(10)]}
    annotations = {"wheelwarden.dev/python-packages": json.dumps(spec), "filler": ""}
    obj = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {"name": "bench", "namespace": "team", "annotations": annotations},
        "spec": {"template": {"spec": {"containers": [{"name": "bench", "image": "registry.example.com/lab:1"}]}}},
    }
    kind = {"group": "kubeflow.org", "version": "v1", "kind": "Notebook"}
    request = {"uid": "u", "operation": "CREATE", "namespace": "team", "kind": kind, "object": obj}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    annotations["filler"] = "x" * (REVIEW_BYTES - len(json.dumps(body)))
    return json.dumps(body).encode()


async def load(port: int, context: ssl.SSLContext, connections: int, seconds: float) -> tuple[list[float], float]:
    """Sends reviews on each connection, one after the other; returns each one's seconds, and how long it all took."""
    body = review()
    head = f"POST /validate HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    message = head.encode() + body
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        while True:
            begun = time.perf_counter()
            writer.write(message)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            content = await reader.readexactly(length)
            times.append(time.perf_counter() - begun)
            assert b'"allowed": true' in content or b'"allowed":true' in content, content
            if time.perf_counter() >= end:
                break
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return times, time.perf_counter() - started


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

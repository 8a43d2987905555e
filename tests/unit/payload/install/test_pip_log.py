"""Facts that are only in pip's log."""

from pathlib import Path

import pytest

from wheelwarden.payload.install.pip_log import PipLog

# Logs of pip 21 and pip 26: a page that was refused, one that does not exist, and a failed build.
OLD_LOG = """\
2026-01-31T10:30:00,001 Could not fetch URL http://one.example.com/simple/six/: connection error: HTTPConnectionPool(\
host='one.example.com', port=80): Max retries exceeded with url: /simple/six/ (Caused by NewConnectionError('<pip._vendor.\
urllib3.connection.HTTPConnection object at 0x7f7e>: Failed to establish a new connection: [Errno 111] Connection \
refused')) - skipping
2026-01-31T10:30:00,002 Could not fetch URL https://two.example.com/simple/six/: 404 Client Error: Not Found for url: \
https://two.example.com/simple/six/ - skipping
2026-01-31T10:30:00,003     Running command python setup.py egg_info
2026-01-31T10:30:00,004     looking for it
2026-01-31T10:30:00,005     no compiler here
2026-01-31T10:30:00,006   Preparing metadata (setup.py): finished with status 'error'
2026-01-31T10:30:00,007 WARNING: Discarding file:///broken. Command errored out with exit status 1
"""
NEW_LOG = """\
2026-01-31T10:30:00,001 Could not fetch URL https://one.example.com/simple/six/: 403 Client Error: Forbidden for url: \
https://one.example.com/simple/six/ - skipping
2026-01-31T10:30:00,003   Running command Getting requirements to build wheel
2026-01-31T10:30:00,004   looking for it
2026-01-31T10:30:00,005   no compiler here
2026-01-31T10:30:00,006   error: subprocess-exited-with-error
2026-01-31T10:30:00,007   exit code: 1
"""
REFUSED = "Failed to establish a new connection: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (OLD_LOG, [("http://one.example.com/simple/six/", REFUSED)]),
        (NEW_LOG, [("https://one.example.com/simple/six/", "403 Client Error: Forbidden")]),
        ("", []),
    ],
)
def test_unreachable_pages_and_build_output_are_read_from_the_log(text: str, pages: list[tuple[str, str]]) -> None:
    log = PipLog()
    with Path(log.path).open("a") as stream:
        stream.write(text)
    assert log.unreachable_pages() == pages
    assert log.output_of_build() == (["looking for it", "no compiler here"] if text else [])

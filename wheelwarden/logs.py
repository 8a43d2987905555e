"""Logging for the programs: one line for each record on stderr, as text or JSON.

No secret is ever passed to a logger. As a second safeguard, user names and passwords in URLs are hidden here.
"""

import json
import logging
import re
import sys
import time
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")

_USER_IN_URL: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)")
# A name that a user chose must not be able to start a new log line. Tracebacks keep their line breaks.
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def set_up_logging(level: str, form: str) -> None:
    """Send every log record to stderr.

    Args:
        level: one of LEVELS.
        form: `text`, or `json` with the keys time, level, logger, message and, if there is a traceback, exception.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The client library logs whole responses at debug level; they may contain Secrets.
    logging.getLogger("kubernetes_asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """`2026-01-31T10:30:00Z INFO    webhook.app: message`, followed by the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 - of logging.Formatter
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {_message(record).translate(_CONTROL)}"
        return f"{line}\n{_redacted(self.formatException(record.exc_info))}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 - of logging.Formatter
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            fields["exception"] = _redacted(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _message(record: logging.LogRecord) -> str:
    return _redacted(record.getMessage())


def _redacted(text: str) -> str:
    return _USER_IN_URL.sub("***", text)

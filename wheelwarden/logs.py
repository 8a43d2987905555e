"""Logging for the two programs: one line for each record, as text or JSON, to stderr.

Nothing secret is ever passed to a logger. As a second lock, user names and passwords in URLs are blotted out here.
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
# A name that somebody chose must not be able to begin a line of its own; tracebacks keep their line ends.
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def set_up_logging(level: str, form: str) -> None:
    """Sends every log record to stderr.

    Args:
        level: one of LEVELS.
        form: `text`, or `json` with the keys time, level, logger, message and, for a fault of ours, exception.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The client library logs whole answers at debug level; they may hold Secrets.
    logging.getLogger("kubernetes_asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """`2026-01-31T10:30:00Z INFO    webhook.app: message`, a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 - of logging.Formatter
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {_message(record).translate(_CONTROL)}"
        return f"{line}\n{_redacted(self.formatException(record.exc_info))}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

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

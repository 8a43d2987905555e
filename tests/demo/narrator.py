"""How the demo speaks: headings, the commands it runs as a person would type them, and their output."""

import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

POLL_SECONDS = 0.5

Found = TypeVar("Found")


class StepError(Exception):
    """A step of the story did not happen; the text says which and what was seen instead."""


@dataclass(kw_only=True)
class Narrator:
    """Runs commands and tells what happens. `kubectl` is the argv prefix, context included."""

    kubectl: Sequence[str]
    namespace: str
    colour: bool = field(default_factory=sys.stdout.isatty)

    def heading(self, text: str) -> None:
        print(f"\n{self._paint('1', text)}\n{'─' * len(text)}", flush=True)

    def say(self, text: str) -> None:
        print(textwrap.fill(text, 110), flush=True)

    def happened(self, text: str) -> None:
        mark = self._paint("32", "✓")
        print(f"{mark} {text}", flush=True)

    def show(self, text: str) -> None:
        print(textwrap.indent(text.rstrip(), self._paint("2", "  │ ")), flush=True)

    def command(self, *words: str, note: str = "") -> None:
        """Shows a kubectl command as a person would type it."""
        text = self._paint("36", f"$ kubectl {shlex.join(words)}")
        print(f"{text}   ({note})" if note else text, flush=True)

    def run(self, *words: str, show: bool = True, stdin: str | None = None, fails: bool = False) -> str:
        """Runs kubectl in the demo's namespace, shows the command and what it printed, and returns that.

        With `fails`, a failure is what the story wants: success is then the failed step.
        """
        if show:
            self.command(*words)
        if show and stdin:
            self.show(stdin)
            print(self._paint("2", "  └─"), flush=True)
        done = subprocess.run(
            [*self.kubectl, "--namespace", self.namespace, *words],
            input=stdin, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        output = done.stdout + done.stderr
        if show and output.strip():
            self.show(output)
        if (done.returncode != 0) != fails:
            raise StepError(
                f"kubectl {shlex.join(words)} {'succeeded' if fails else 'failed'}, against the story:\n{output}"
            )
        return output

    def wait(self, what: str, look: Callable[[], Found | None], *, limit_seconds: float = 240) -> Found:
        """Polls `look` until it finds something, saying what is waited for."""
        started = time.monotonic()
        print(f"… {what}", end="", flush=True)
        while (found := look()) is None:
            if time.monotonic() - started > limit_seconds:
                print(flush=True)
                raise StepError(f"after {limit_seconds:.0f} s still not: {what}")
            time.sleep(POLL_SECONDS)
        print(f" ({time.monotonic() - started:.0f} s)", flush=True)
        return found

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

"""What is said while something is under way: to stderr, a line at a time. Results go to stdout."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devpi_warmup.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SILENCE = 10.0  # seconds
_TALKATIVE = (
    *("urllib3", "build", "virtualenv", "python_discovery", "filelock", "distlib"),
    "py_serializable",
)
_SMALL, _LARGE = 1_000_000, 1_000_000_000  # bytes
_NOX = "nox -s "
_COMMAND = re.compile(
    r"nox -s (\"?)(?=(warmup|report|merge|plan|verify|seal|bundle|prune|publish|clients)\b)"
)
_typed = _NOX  # how a session of ours is called here, up to its name
_said = 0.0  # when anything was, by time.monotonic


def say(line: str) -> None:
    """Write a line of progress to stderr."""
    global _said  # noqa: PLW0603 - whoever is silent for long is told by it
    _said = time.monotonic()
    sys.stderr.write(f"{spelled(line)}\n")
    sys.stderr.flush()


@contextmanager
def never_silent(what: str | Callable[[], str]) -> Iterator[None]:
    """Say that something is still under way whenever nothing was said for ten seconds.

    :param what: what that is, or how far it is by then
    """
    ended = threading.Event()
    begun = time.monotonic()

    def speak() -> None:
        while not ended.wait(_pause(begun)):
            if _pause(begun) == 0:  # nobody has said anything meanwhile
                seconds = f"still at it after {time.monotonic() - begun:.0f} seconds"
                say(f"{what}: {seconds}" if isinstance(what, str) else what())

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join()


def _pause(begun: float) -> float:
    """Return for how many seconds nothing need be said of what has begun then."""
    return max(0.0, max(begun, _said) + SILENCE - time.monotonic())


def type_as(command: str) -> None:
    """Tell how a session is called here: ``nox -s wheels-``, or ``devpi-warmup``."""
    global _typed  # noqa: PLW0603 - texts come from everywhere, and leave here
    _typed = command


def spelled(text: str) -> str:
    """Return a text with commands that can be typed here, and none that a CI system obeys.

    Texts say ``nox -s warmup``.
    """
    launcher, _, prefix = _typed.rpartition(" ")
    return plain(_COMMAND.sub(lambda match: f"{launcher} {match[1]}{prefix}", text))


def quiet_libraries() -> None:
    """Keep the debug lines of libraries, each request and each file, out of nox's own log."""
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)


def size_of(size: int) -> str:
    """Return a size in bytes as people read it, be it small or large."""
    if size >= _LARGE:
        return f"{size / 1_000_000_000:.1f} GB"
    return megabytes(size) if size >= _SMALL else f"{size / 1000:.1f} kB"


def megabytes(size: int) -> str:
    """Return a size in bytes as people read it."""
    return f"{size / 1_000_000:.1f} MB"

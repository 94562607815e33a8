"""What is said while something is under way: to stderr, a line at a time. Results go to stdout."""

from __future__ import annotations

import logging
import sys


def say(line: str) -> None:
    """Write a line of progress to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def quiet_libraries() -> None:
    """Keep the debug lines of libraries, which name each request, out of nox's own log."""
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def megabytes(size: int) -> str:
    """Return a size in bytes as people read it."""
    return f"{size / 1_000_000:.1f} MB"

"""Memory of this process, where the system lets it say how that is had."""

from __future__ import annotations

import sys
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX in malloc.h of glibc


def have_threads_share() -> None:
    """Have what one thread frees be for all of them; before they begin.

    glibc gives each thread a place of its own, in which what it has freed stays: with the pages
    and files of a run a fifth of the memory of its process (mallopt(3)). Python lets one thread
    run at a time, so none has to wait for another.
    """
    if sys.platform == "linux":
        with suppress(Exception):  # musl has none, some Pythons no ctypes; it can be done without
            import ctypes  # noqa: PLC0415

            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)

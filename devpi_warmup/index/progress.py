"""How far a run is: a live area on a terminal, a line in a log when nothing else was said."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devpi_warmup import console

if TYPE_CHECKING:
    from collections.abc import Iterator

_REFRESH = 0.25  # seconds


class Progress:
    """What a run has done so far, and what it is at. Thread-safe."""

    def __init__(self) -> None:
        self.cells = 0  # that are wanted
        self.ready = 0  # of them
        self.files = 0  # downloaded
        self.size = 0  # bytes of downloads, of those under way too
        self._begun = time.monotonic()
        self._doing: list[str] = []  # the oldest first
        self._mutex = threading.Lock()

    def count(self, size: int) -> None:
        """Take note of some bytes more."""
        with self._mutex:
            self.size += size

    def downloaded(self) -> None:
        """Take note of a file more."""
        with self._mutex:
            self.files += 1

    def settled(self) -> None:
        """Take note of a cell more of which it is known what becomes of it."""
        with self._mutex:
            self.ready += 1

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what is under way while it is."""
        with self._mutex:
            self._doing.append(what)
        try:
            yield
        finally:
            with self._mutex:
                self._doing.remove(what)

    @property
    def text(self) -> str:
        """How far it is, and what is waited for longest."""
        with self._mutex:
            rate = self.size / max(time.monotonic() - self._begun, 0.001)
            files = f"{self.files} {'file' if self.files == 1 else 'files'}"
            parts = [
                f"{self.ready} of {self.cells} cells",
                f"{files}, {console.megabytes(self.size)} downloaded",
                *([f"{console.megabytes(int(rate))}/s"] if self.size else []),
                *self._doing[:1],
            ]
        return "; ".join(parts)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it while something is waited for."""
        if not sys.stderr.isatty():
            with console.never_silent(lambda: self.text):
                yield
            return
        from rich.console import Console  # noqa: PLC0415 - a terminal alone needs it
        from rich.live import Live  # noqa: PLC0415
        from rich.spinner import Spinner  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        spinner = Spinner("dots")

        def drawn() -> Spinner:
            spinner.update(text=Text(self.text, overflow="ellipsis", no_wrap=True))
            return spinner

        screen = Console(stderr=True)
        with Live(
            get_renderable=drawn, console=screen, transient=True, refresh_per_second=1 / _REFRESH
        ):
            yield

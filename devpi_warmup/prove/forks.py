"""A process that has imported pip once, and answers each call in a fork of itself.

Most of the time of a referee is the import of pip. Where a system has no fork, or the process is
lost, each call is a process of its own, as the runner has it.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.process import Completed, Serving
from devpi_warmup.prove.pip import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devpi_warmup.process import Runner


class Forks:
    """A process runner whose calls of a foreign pip are forks; one process for each thread."""

    def __init__(self, runner: Runner) -> None:
        """Leave every other call to a runner."""
        self._runner = runner
        self._own = threading.local()
        self._all: list[Serving] = []

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None
    ) -> Completed:
        """Run ``argv``; see :class:`devpi_warmup.process.Runner`."""
        if FOREIGN in argv and hasattr(os, "fork"):
            place = argv.index(FOREIGN) + 1
            if done := self._fork(argv[:place], argv[place:], env):
                return done
        return self._runner(argv, env=env, timeout=timeout)

    def close(self) -> None:
        """End the processes."""
        for serving in self._all:
            serving.close()

    def _fork(
        self, program: Sequence[str], arguments: Sequence[str], env: Mapping[str, str]
    ) -> Completed | None:
        serving: Serving | None = getattr(self._own, "serving", None)
        if serving is None:
            serving = self._own.serving = Serving([*program, "--serve"], env)
            self._all.append(serving)
        with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
            outputs = Path(folder, "stdout"), Path(folder, "stderr")
            answer = serving.ask(json.dumps([*map(str, outputs), *arguments]))
            if not answer.lstrip("-").isdecimal():
                return None
            texts = (path.read_text(encoding="utf-8", errors="replace") for path in outputs)
            return Completed(int(answer), *texts)

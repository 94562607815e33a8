"""Processes that have imported pip once, and answer each call in a fork of themselves.

Most of the time of a small call is the import of pip. Where a system has no fork, or a process is
lost, each call is a process of its own, as the runner has it.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from devpi_warmup.process import Completed, Serving
from devpi_warmup.prove.pip import FOREIGN, UNPACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devpi_warmup.process import Runner
    from devpi_warmup.prove.pip import Pip


_SERVER = str(Path(__file__).with_name("fork_server.py"))
_SCRIPTS = {FOREIGN, UNPACK}


class Forks:
    """A process runner whose calls of our scripts are forks, of one process for each pip."""

    def __init__(self, runner: Runner) -> None:
        """Leave every other call to a runner."""
        self._runner = runner
        self._servers: dict[tuple[str, ...], Serving] = {}
        self._mutex = Lock()
        self._serves = hasattr(os, "fork")
        self._cancelled = False

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None
    ) -> Completed:
        """Run ``argv``; see :class:`devpi_warmup.process.Runner`."""
        place = next((n for n, argument in enumerate(argv) if argument in _SCRIPTS), None)
        if self._serves and place is not None:
            if done := self._fork((*argv[:place], _SERVER), argv[place:], env):
                return done
            if self._cancelled:
                return Completed(-signal.SIGKILL, "", "")
            self._serves = False
        return self._runner(argv, env=env, timeout=timeout)

    def begin(self, pip: Pip) -> None:
        """Have a process import pip: the calls of that pip will come soon."""
        argv, env = pip.isolated(_SERVER)
        if self._serves:
            with suppress(OSError, RuntimeError):  # then it is tried again by who calls
                self._server(tuple(argv), env)

    def cancel(self) -> None:
        """Stop what is under way, and begin nothing more."""
        with self._mutex:
            self._cancelled = True
            servers = [*self._servers.values()]
        for server in servers:
            server.kill()

    def close(self) -> None:
        """End the processes."""
        for server in self._servers.values():
            server.close()

    def _fork(
        self, program: tuple[str, ...], arguments: Sequence[str], env: Mapping[str, str]
    ) -> Completed | None:
        with tempfile.TemporaryDirectory(prefix="devpi-warmup-") as folder:
            outputs = Path(folder, "stdout"), Path(folder, "stderr")
            for path in outputs:
                path.touch()  # a fork may be killed before it writes
            try:
                server = self._server(program, env)
            except (OSError, RuntimeError):  # the machine has no process, or no thread for it
                return None
            answer = server.ask(json.dumps([*map(str, outputs), *arguments]))
            if not answer.lstrip("-").isdecimal():
                return None
            texts = (path.read_text(encoding="utf-8", errors="replace") for path in outputs)
            return Completed(int(answer), *texts)

    def _server(self, program: tuple[str, ...], env: Mapping[str, str]) -> Serving:
        with self._mutex:
            if self._cancelled:
                raise RuntimeError
            if program not in self._servers:
                self._servers[program] = Serving(program, env)
            return self._servers[program]

"""The process runner: the one door to other programs, and the way to cut them off the network."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A proxy nobody listens on: port 9 is "discard", and loopback never leaves the machine.
_DEAD_PROXY = "http://127.0.0.1:9"
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Completed:
    """How a program ended: its exit status and what it wrote."""

    returncode: int
    stdout: str
    stderr: str

    def last_lines(self, count: int = 4) -> str:
        """Return the last non-empty lines of stderr, or of stdout where that is empty."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        lines = lines or [line for line in self.stdout.splitlines() if line.strip()]
        return "\n".join(lines[-count:])


class Runner(Protocol):
    """Runs a program to its end. Tests give a double."""

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None
    ) -> Completed:
        """Run ``argv`` under ``env``; ``timeout`` in seconds.

        :raises subprocess.TimeoutExpired: after the program was killed
        """


def run(argv: Sequence[str], *, env: Mapping[str, str], timeout: float | None = None) -> Completed:
    """Run a program with no standard input and read both its streams; see :class:`Runner`."""
    done = subprocess.run(
        list(argv),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr)


class Serving:
    """A program that answers numbered lines, in any order, until its standard input ends.

    It and what it starts are a group of processes: what a terminal sends to ours is not for them.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._waiting: dict[str, Future[str]] = {}
        self._numbers = itertools.count()
        self._ended = False
        self._mutex = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="answers", daemon=True)
        try:
            self._reader.start()
        except RuntimeError:
            self.kill()
            raise

    def ask(self, line: str) -> str:
        """Return its answer to a line, or "" where it has ended; any number at once."""
        stdin, answer = self._process.stdin, Future[str]()
        assert stdin is not None  # noqa: S101 - it is a pipe
        with self._mutex:
            if self._ended:
                return ""
            number = str(next(self._numbers))
            self._waiting[number] = answer
            with suppress(OSError, ValueError):  # then it has ended, or is closed: so does reading
                stdin.write(f"{number} {line}\n")
                stdin.flush()
        return answer.result()

    def kill(self) -> None:
        """End it at once, and what it has started."""
        with suppress(OSError):  # it has ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let it end, and wait for that."""
        with suppress(OSError), self._mutex:
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            self._process.stdin.close()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as answers:
            for line in answers:
                number, _, said = line.strip().partition(" ")
                with self._mutex:
                    answer = self._waiting.pop(number, None)
                if answer is not None:
                    answer.set_result(said)
        with self._mutex:
            self._ended = True
            for waiting in self._waiting.values():
                waiting.set_result("")


@dataclass(frozen=True)
class Isolation:
    """A way to run a program without network.

    :param name: how to call it in a report
    :param prefix: goes before the argv
    :param env: goes over the environment
    """

    name: str
    prefix: tuple[str, ...]
    env: Mapping[str, str]


@functools.cache
def isolation() -> Isolation:
    """Return the strongest isolation this system allows."""
    proxies = {name: _DEAD_PROXY for key in _PROXY_VARIABLES for name in (key, key.upper())} | {
        "no_proxy": "",
        "NO_PROXY": "",
    }
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    if unshare is not None:
        # -r maps this user to root of a new user namespace, which needs no privilege.
        prefix = (unshare, "-r", "-n", "--")
        if run([*prefix, "true"], env=os.environ).returncode == 0:
            return Isolation("an empty network namespace", prefix, proxies)
    return Isolation("dead proxies", (), proxies)

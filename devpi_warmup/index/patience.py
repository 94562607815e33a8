"""How long a server is asked again, and when it is given up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import requests

from devpi_warmup import console
from devpi_warmup.errors import IndexAccessError, UpstreamForbidsError, WarmupError
from devpi_warmup.index.http import describe, is_final, is_gone, is_silence

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

SILENCES = 3  # times a silent server is waited for
_LONGEST_PAUSE = 30.0  # seconds
_LONGEST_RETRY_AFTER = 300.0  # seconds
_WORTH_SAYING = 5.0  # seconds of a pause
_FORBIDDEN = 403
T = TypeVar("T")


class TransientError(Exception):
    """A fault of the server that may be gone the next time.

    :param pause: seconds that the server wants to be left alone for
    :param upstream: what the upstream of a devpi has answered
    """

    def __init__(self, problem: str, *, pause: float = 0.0, upstream: int = 0) -> None:
        super().__init__(problem)
        self.pause = pause
        self.upstream = upstream


class AgainError(Exception):
    """The same must be asked once more, at once: with other credentials, say."""


@dataclass
class _Patience:
    """How often one request is tried again, and how long it is left alone before."""

    retries: int
    began: float = field(default_factory=time.time)
    tries: int = 0
    silences: int = 0

    def after(self, error: Exception) -> float | None:
        """Return seconds to wait after a fault; None when there is no sense in trying again."""
        self.tries += 1
        self.silences += is_silence(error)
        if is_final(error) or self.silences == SILENCES or self.tries > self.retries:
            return None
        pause: float = 0.25 * 2**self.tries
        if is_gone(error):
            pause *= 2  # it may be starting anew
        asked = error.pause if isinstance(error, TransientError) else 0.0
        return max(min(pause, _LONGEST_PAUSE), min(asked, _LONGEST_RETRY_AFTER))

    @property
    def span(self) -> str:
        """How often it was tried, and when."""
        if self.tries == 1:
            return f"({clock()})"
        return f"({self.tries} times, {clock(self.began).partition(' ')[0]} to {clock()})"


def clock(at: float | None = None) -> str:
    """Return a time of day of this machine, with its offset from UTC; now unless told."""
    return time.strftime("%H:%M:%S %z", time.localtime(at))


@dataclass
class Retries:
    """Asks one server again and again, and remembers whether it answers at all.

    :param server: how it is called
    :param retries: times that a fault is tried again
    :param stopped: whether nothing is wanted any more
    :param sleep: waits that many seconds
    """

    server: str
    retries: int
    stopped: threading.Event
    sleep: Callable[[float], object]
    down: bool = False  # it has not answered at all, the last time
    _told: bool = False

    def run(self, once: Callable[[], T], give_up: Callable[[str], WarmupError]) -> T:
        """Try again on passing faults, with growing pauses, and say when it was given up.

        :raises WarmupError: what ``give_up`` makes of the last fault
        """
        patience = _Patience(self.retries)
        while True:
            if self.stopped.is_set():
                raise IndexAccessError("the run was stopped")
            try:
                return once()
            except AgainError:
                continue
            except (TransientError, requests.RequestException, ValueError) as error:
                if self.stopped.is_set():
                    continue  # it was cut by us
                pause = self._pause(error, patience, give_up)
            self.sleep(pause)

    def _pause(
        self, error: Exception, patience: _Patience, give_up: Callable[[str], WarmupError]
    ) -> float:
        pause = patience.after(error)
        problem = str(error) if isinstance(error, TransientError) else describe(error)
        # One that has used up the patience of another request gets no more of it.
        if pause is None or (self.down and is_gone(error)):
            self.down = is_gone(error)
            failure = give_up(f"{problem} {patience.span}")
            if isinstance(error, TransientError) and error.upstream == _FORBIDDEN:
                raise UpstreamForbidsError(failure.args[0], hint=failure.hint) from None
            raise failure from None
        if is_gone(error) and not self._told:
            self._told = True
            console.say(f"{self.server}: {problem}; trying again for a while")
        elif pause > _WORTH_SAYING:
            console.say(f"{self.server}: {problem}; asking again in {pause:.0f} seconds")
        return pause

"""One exception tree: what happened, and what to do next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is wrong, and one hint a person can act on."""

    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return str(self.error)

    @property
    def error(self) -> WarmupError:
        """The same, to be raised."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return WarmupError(text, hint=self.hint)


def indented(lines: Iterable[str]) -> str:
    """Join lines that stand below the message they explain."""
    return "\n".join(f"      {line}" for line in lines)


class WarmupError(Exception):
    """Something a user can act on; shown without a traceback."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def title(self) -> str:
        """The first line, which says what happened."""
        return str(self.args[0]).splitlines()[0].rstrip(":")

    @property
    def parts(self) -> tuple[str, ...]:
        """What has to be said once, with its hint: this error, or each that it stands for."""
        return (str(self),)

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n    hint: {self.hint}" if self.hint else message


SEVERAL = re.compile(r"\d+ problems:")  # the first line of one


class SeveralError(WarmupError):
    """Several things that a user can act on, each by itself."""

    def __init__(self, errors: Iterable[WarmupError]) -> None:
        self.errors = tuple(errors)
        super().__init__(self._text(str(error.args[0]) for error in self.errors))

    def __str__(self) -> str:
        return self._text(map(str, self.errors))

    @property
    def parts(self) -> tuple[str, ...]:
        """Each of them, with its hint."""
        return tuple(map(str, self.errors))

    def _text(self, texts: Iterable[str]) -> str:
        return "\n  ".join([f"{len(self.errors)} problems:", *texts])


def no_thread(error: RuntimeError) -> WarmupError:
    """Say that no more work is begun: the run is being closed, or the machine has no thread."""
    return WarmupError(
        f"nothing more can be begun: {error}",
        hint="unless the run was stopped, raise the limits of processes and of memory",
    )


def together(errors: Sequence[WarmupError]) -> WarmupError:
    """Return several errors as one; one stays what it is."""
    return errors[0] if len(errors) == 1 else SeveralError(errors)


class InvalidInputError(WarmupError):
    """The configuration or the requirement files are wrong; holds every problem found."""

    def __init__(self, title: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n  ".join([f"{title}:", *map(str, self.problems)]))


class InvalidTargetError(WarmupError):
    """A Python version or platform that is not a target."""


class IndexAccessError(WarmupError):
    """The index did not answer as an index should."""


class ForbiddenError(IndexAccessError):
    """The server refuses to answer, whoever asks."""


class UpstreamForbidsError(IndexAccessError):
    """devpi answers, and its own upstream refuses to (403)."""


class FileError(WarmupError):
    """A file of the index is not what the index says it is, or cannot be had."""


class ResolutionError(WarmupError):
    """No set of files satisfies the requirements for one target."""


class ServerError(WarmupError):
    """The private devpi-server cannot be made, started or used."""


class WheelhouseError(WarmupError):
    """The wheelhouse cannot be read or written."""

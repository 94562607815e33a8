"""One exception tree: what happened, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is wrong, and one hint a person can act on."""

    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n    hint: {self.hint}" if self.hint else text


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

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n    hint: {self.hint}" if self.hint else message


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

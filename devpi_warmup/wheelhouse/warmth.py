"""Warm, or not, or not to be shown: what is known of a file in devpi's own store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Warmth(Enum):
    """Whether devpi holds a file."""

    WARM = "warm"
    COLD = "not warm"
    UNKNOWN = "cannot be shown"


@dataclass(frozen=True)
class Proof:
    """Whether devpi holds a file, and how that was shown, or why it was not.

    :param final: whether a download through devpi would change nothing
    """

    warmth: Warmth
    reason: str
    final: bool = False

    def __str__(self) -> str:
        return (
            self.warmth.value
            if self.warmth is Warmth.WARM
            else f"{self.warmth.value}: {self.reason}"
        )


PRIVATE = "private devpi-server"  # how the index of a manifest begins whose run had its own
NO_DEVPI = Proof(Warmth.UNKNOWN, "the index is not a devpi")
UNSWEPT = Proof(Warmth.COLD, "the run ended before devpi was asked")

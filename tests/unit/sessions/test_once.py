"""Each problem is told once in full, and where it stands again."""

from __future__ import annotations

from typing import cast

from devpi_warmup.errors import WarmupError, together
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.config import Config
from devpi_warmup.inputs.targets import Target
from devpi_warmup.sessions.warmup import Warmup


def test_the_same_reasons_are_the_same_and_fewer_are_not() -> None:
    told = Warmup(cast("Config", None))
    first, second, third, fourth = (
        Cell(Target("3.13", f"manylinux_2_{n}_x86_64")) for n in range(28, 32)
    )
    errors = [WarmupError(text) for text in ("one: is missing", "two: is missing", "three: new")]
    assert "one: is missing" in told._once(first, together(errors[:2]))
    assert told._once(second, together(errors[:2])) == f" for the same reasons as {first.id}"
    # A part of what was said of another is not the same.
    assert told._once(third, errors[0]) == f" for a reason that was said of {first.id}"
    last = told._once(fourth, together([errors[0], errors[2]]))
    assert "three: new" in last
    assert f"and 1 said of {first.id}" in last

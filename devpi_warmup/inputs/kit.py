"""The kit: what the closed side needs to work with the wheelhouse, as an environment of its own.

``kit = true`` adds it for every target of the configuration, ``kit = ["cp313-*"]`` for some. What
has no files for a target is left out of that target's kit, and a note says so: there is no
devpi-server without wheels of all that it requires.
"""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING

import devpi_warmup
from devpi_warmup.errors import Problem
from devpi_warmup.inputs.pyproject import NAME as PYPROJECT
from devpi_warmup.inputs.this_package import own_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.inputs.requirement_files import Reader
    from devpi_warmup.inputs.targets import Target

NAME = "kit"  # the key, the environment, and so the beginning of its locks
# The release of devpi-server that is started where no index is configured, outside and inside.
DEVPI_SERVER = "devpi-server==6.20.3"
# Without these nothing can be begun inside; they are pure Python.
_ALWAYS = ("pip", "virtualenv", "nox")
_WHERE_POSSIBLE = (DEVPI_SERVER, "devpi-client", f"devpi-warmup=={devpi_warmup.__version__}")


def read(reader: Reader) -> None:
    """Take what the kit is made of, and this package itself as a wheel."""
    where = f"{PYPROJECT}: {NAME}"
    for line in (*_ALWAYS, *_WHERE_POSSIBLE):
        reader.line(line, where)
    reader.requirements = [
        replace(root, optional=root.name not in _ALWAYS) for root in reader.requirements
    ]
    wheel = own_wheel()
    if isinstance(wheel, Problem):
        reader.problems.append(wheel)
    else:
        reader.wheels = (wheel,)


def chosen(
    value: bool | list[str],  # noqa: FBT001 - as the table has it
    targets: Mapping[str, Target],
    problems: list[Problem],
) -> tuple[Target, ...]:
    """Return the targets that the kit is for.

    :param value: all of them, or patterns of their ids
    :param targets: of all environments, by their ids
    :param problems: takes the patterns that match none
    """
    if isinstance(value, bool):
        return tuple(targets.values()) if value else ()
    if not value:
        hint = f"write {NAME} = true, or leave it away"
        problems.append(Problem(f"{NAME} is empty", NAME, hint))
    found = set[str]()
    for pattern in value:
        matches = fnmatch.filter(targets, pattern)
        if not matches:
            nearest = difflib.get_close_matches(pattern, targets, n=1, cutoff=0.7)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"targets: {', '.join(targets)}"
            problems.append(Problem(f"{pattern!r} matches no target", NAME, hint))
        found |= {*matches}
    return tuple(target for id_, target in targets.items() if id_ in found)

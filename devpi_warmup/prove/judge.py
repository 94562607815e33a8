"""Have pip's own installing code judge wheels: what resolves need not install."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from devpi_warmup.digests import digest
from devpi_warmup.errors import WheelhouseError, indented
from devpi_warmup.prove.pip import UNPACK
from devpi_warmup.prove.referee import RefereeError
from devpi_warmup.prove.unpack import NO_SPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.files import Wheelhouse

_WORKERS = 2
_WORTH_ANOTHER = 20_000_000  # bytes of wheels


@cache
def unpacker() -> str:
    """Return the digest of the script that has pip unpack wheels."""
    return digest(Path(UNPACK))


@dataclass(frozen=True)
class Packed:
    """A wheel that is to be unpacked.

    :param project: that it is of
    :param path: where it lies, under its own name
    :param size: in bytes
    """

    project: str
    path: Path
    size: int


@dataclass(frozen=True)
class Judgement:
    """What pip says of one wheel when it unpacks it.

    :param problem: why it cannot be installed, or ""
    :param warnings: what pip warns of
    """

    problem: str
    warnings: tuple[str, ...]


def judge(wheels: Sequence[Packed], wheelhouse: Wheelhouse, *, pip: Pip) -> dict[str, Judgement]:
    """Have pip unpack wheels, several at once, and return what it says, by filename.

    :raises RefereeError: this pip cannot be asked
    :raises WheelhouseError: there is no room
    """
    size = sum(wheel.size for wheel in wheels)
    count = min(_WORKERS, os.cpu_count() or 1, 1 + size // _WORTH_ANOTHER, len(wheels) or 1)
    heavy_first = sorted(wheels, key=lambda wheel: wheel.size, reverse=True)
    shares = [heavy_first[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        parts = pool.map(lambda share: unpack(share, wheelhouse, pip=pip), shares)
        return {name: said for part in parts for name, said in part.items()}


def unpack(wheels: Sequence[Packed], wheelhouse: Wheelhouse, *, pip: Pip) -> dict[str, Judgement]:
    """Have pip unpack wheels, one after the other, and return what it says, by filename.

    :param wheelhouse: has room for one of them unpacked
    :raises RefereeError: this pip cannot be asked
    :raises WheelhouseError: there is no room
    """
    folder = wheelhouse.staging / uuid4().hex
    folder.mkdir()
    asked, verdicts = folder / "wheels.json", folder / "verdicts.json"
    paths = [(wheel.project, str(wheel.path)) for wheel in wheels]
    asked.write_text(json.dumps(paths), encoding="utf-8")
    done = pip.unpack(asked, verdicts, folder)
    if done.returncode != 0:
        raise RefereeError(
            f"pip cannot judge the wheels:\n{indented(done.last_lines().splitlines())}",
            hint="this is a fault of devpi-warmup: please report it",
        )
    found = {
        name: Judgement(said["problem"], tuple(said["warnings"]))
        for name, said in json.loads(verdicts.read_text(encoding="utf-8")).items()
    }
    if any(said.problem == NO_SPACE for said in found.values()):
        raise WheelhouseError(
            f"{wheelhouse.shown}/ has no room to unpack a wheel, which shows that it installs",
            hint="make room on its disk",
        )
    return found

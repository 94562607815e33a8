"""Have pip's own installing code judge wheels: what resolves need not install."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError, WheelhouseError
from devpi_warmup.prove.pip import UNPACK
from devpi_warmup.prove.referee import RefereeError, ended
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
    :param unsaid: why pip says nothing of it; for whoever wants the wheel
    """

    problem: str
    warnings: tuple[str, ...] = ()
    unsaid: WarmupError | None = None


def judge(wheels: Sequence[Packed], wheelhouse: Wheelhouse, *, pip: Pip) -> dict[str, Judgement]:
    """Have pip unpack wheels, several at once, and return what it says, by filename.

    :param wheels: no two of one name
    :raises WarmupError: pip says nothing of one of them
    """
    size = sum(wheel.size for wheel in wheels)
    count = min(_WORKERS, os.cpu_count() or 1, 1 + size // _WORTH_ANOTHER, len(wheels) or 1)
    heavy_first = sorted(wheels, key=lambda wheel: wheel.size, reverse=True)
    shares = [heavy_first[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        parts = list(pool.map(lambda share: unpack(share, wheelhouse, pip=pip), shares))
    found = {
        wheel.path.name: said
        for share, part in zip(shares, parts, strict=True)
        for wheel, said in zip(share, part, strict=True)
    }
    for said in found.values():
        if said.unsaid is not None:
            raise said.unsaid
    return found


def unpack(wheels: Sequence[Packed], wheelhouse: Wheelhouse, *, pip: Pip) -> list[Judgement]:
    """Have pip unpack wheels, one after the other, and return what it says of each.

    Where that ends before its end, each is unpacked by itself, in the plainest way: one of them may
    be the reason, and is none for the others.

    :param wheelhouse: has room for one of them unpacked
    """
    try:
        return _unpacked(wheels, wheelhouse, pip, fast=True)
    except RefereeError:
        return [_alone(wheel, wheelhouse, pip) for wheel in wheels]


def _alone(wheel: Packed, wheelhouse: Wheelhouse, pip: Pip) -> Judgement:
    try:
        return _unpacked([wheel], wheelhouse, pip, fast=False)[0]
    except RefereeError as error:
        return Judgement("", unsaid=error)


def _unpacked(
    wheels: Sequence[Packed], wheelhouse: Wheelhouse, pip: Pip, *, fast: bool
) -> list[Judgement]:
    folder = wheelhouse.staging / uuid4().hex
    folder.mkdir()
    asked, verdicts = folder / "wheels.json", folder / "verdicts.json"
    paths = [(wheel.project, str(wheel.path)) for wheel in wheels]
    asked.write_text(json.dumps(paths), encoding="utf-8")
    done = pip.unpack(asked, verdicts, folder, fast=fast)
    if done.returncode != 0:
        names = ", ".join(wheel.path.name for wheel in wheels)
        raise ended(done, f"pip cannot unpack {names}")
    found = json.loads(verdicts.read_text(encoding="utf-8"))
    return [_judgement(said, wheelhouse) for _, said in zip(wheels, found, strict=True)]


def _judgement(said: dict[str, Any], wheelhouse: Wheelhouse) -> Judgement:
    if said["problem"] != NO_SPACE:
        return Judgement(said["problem"], tuple(said["warnings"]))
    problem = f"{wheelhouse.shown}/ has no room to unpack a wheel, which shows that it installs"
    return Judgement("", unsaid=WheelhouseError(problem, hint="make room on its disk"))

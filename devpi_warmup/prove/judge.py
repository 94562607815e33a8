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
    from collections.abc import Mapping, Sequence

    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Pin

_WORKERS = 2
_WORTH_ANOTHER = 20_000_000  # bytes of wheels


@cache
def unpacker() -> str:
    """Return the digest of the script that has pip unpack wheels."""
    return digest(Path(UNPACK))


@dataclass(frozen=True)
class Judgement:
    """What pip says of one wheel when it unpacks it.

    :param problem: why it cannot be installed, or ""
    :param warnings: what pip warns of
    """

    problem: str
    warnings: tuple[str, ...]


def judge(
    pins: Sequence[Pin], files: Mapping[str, Path], wheelhouse: Wheelhouse, *, pip: Pip
) -> dict[str, Judgement]:
    """Have pip unpack every wheel, and return what it says, by filename.

    :param files: where the wheels lie under their own names
    :param wheelhouse: has room for one of them unpacked
    :raises RefereeError: this pip cannot be asked
    :raises WheelhouseError: there is no room
    """
    size = sum(pin.size for pin in pins)
    count = min(_WORKERS, os.cpu_count() or 1, 1 + size // _WORTH_ANOTHER)
    heavy_first = sorted(pins, key=lambda pin: pin.size, reverse=True)
    shares = [heavy_first[start::count] for start in range(count)]

    def work(share: Sequence[Pin]) -> dict[str, Judgement]:
        folder = wheelhouse.staging / uuid4().hex
        folder.mkdir()
        wheels, verdicts = folder / "wheels.json", folder / "verdicts.json"
        paths = [(pin.project, str(files[pin.file.filename])) for pin in share]
        wheels.write_text(json.dumps(paths), encoding="utf-8")
        done = pip.unpack(wheels, verdicts, folder)
        if done.returncode != 0:
            raise RefereeError(
                f"pip cannot judge the wheels:\n{indented(done.last_lines().splitlines())}",
                hint="this is a fault of devpi-warmup: please report it",
            )
        return {
            name: Judgement(said["problem"], tuple(said["warnings"]))
            for name, said in json.loads(verdicts.read_text(encoding="utf-8")).items()
        }

    with ThreadPoolExecutor(count) as pool:
        found = {name: said for part in pool.map(work, shares) for name, said in part.items()}
    if any(said.problem == NO_SPACE for said in found.values()):
        raise WheelhouseError(
            f"{wheelhouse.shown}/ has no room to unpack a wheel, which shows that it installs",
            hint="make room on its disk",
        )
    return found

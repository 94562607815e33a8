"""What a bundle builds on: the state that is on the closed side already, as the user names it."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.crossing import accepted, unpack
from devpi_warmup.crossing.state import SHORT, SUMS, id_of
from devpi_warmup.errors import WarmupError
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from devpi_warmup.wheelhouse.files import Wheelhouse

LAST = "last"
_LETTERS = re.compile(rf"[0-9a-f]{{6,{64}}}")


@dataclass(frozen=True)
class Base:
    """A state, or as much of it as is known.

    :param files: the sha256 by path
    :param since: how messages call it
    :param sums: its list; "" where only its manifest is known, which does not name all of it
    """

    files: Mapping[str, str]
    since: str
    sums: str = ""

    @property
    def id(self) -> str:
        """Its name, or "" where that cannot be known."""
        return id_of(self.sums) if self.sums else ""


def find(word: str, path: Path, bundles: Path, wheelhouse: Wheelhouse) -> Base:
    """Return what a word of the user names.

    :param word: ``last``, the first letters of the name of a state, or a path
    :param path: that path
    :param bundles: the folder of the bundles that were made
    :raises WarmupError: it names nothing, or something else
    """
    known = accepted.read(wheelhouse)
    if word == LAST:
        if not known:
            raise WarmupError(
                "no state was accepted yet",
                hint="say which bundle has arrived: nox -s bundle -- --accepted STATE; unpack.py "
                "has printed its name",
            )
        return _of_sums(known[-1].sums)
    if path.is_dir():
        return _of_bundle(path, word)
    if path.is_file():
        return _of_file(path, word, wheelhouse)
    made = [folder for folder in bundles.glob("*") if (folder / SUMS).is_file()]
    if _LETTERS.fullmatch(word):
        found = {one.id: one.sums for one in known if one.id.startswith(word)}
        for folder in made:
            if folder.name.rpartition("-")[2].startswith(word[:SHORT]):
                base = _of_bundle(folder, folder.name)
                found |= {base.id: base.sums} if base.id.startswith(word) else {}
        if len(found) == 1:
            return _of_sums(*found.values())
    raise WarmupError(
        f"{word} is no state that is known here",
        hint=f"name a bundle ({_names(made)}), the first six letters of its state or more, the "
        f"{SUMS} or the manifest.json of what lies inside, or last",
    )


def _names(made: Iterable[Path]) -> str:
    return ", ".join(sorted(f"{path.parent.name}/{path.name}" for path in made)) or "there is none"


def _of_sums(sums: str) -> Base:
    files = unpack.read_sums(sums.encode(), SUMS)
    return Base(files, f"state {id_of(sums)[:SHORT]}", sums)


def _of_bundle(folder: Path, word: str) -> Base:
    """Read the state that a bundle brings: its archive is here, or it was the folder inside."""
    try:
        if (folder / unpack.ARCHIVE).is_file() or (folder / f"{unpack.ARCHIVE}.001").is_file():
            names = unpack.part_paths(folder, unpack.read_sums((folder / SUMS).read_bytes(), SUMS))
            with closing(unpack.Archive(names)) as archive:
                return _of_sums(unpack.sums_text(archive.bundle).decode())
    except (OSError, unpack.RefusedError) as error:
        raise WarmupError(
            f"{word} cannot be read: {error}", hint="name another, or copy it here again"
        ) from None
    raise WarmupError(
        f"{word} holds no archive",
        hint=f"name the folder of a bundle, or the {SUMS} of what was unpacked",
    )


def _of_file(path: Path, word: str, wheelhouse: Wheelhouse) -> Base:
    try:
        data = path.read_bytes()
        if path.suffix == ".json":
            return _of_manifest(data, wheelhouse)
        base = _of_sums(data.decode().replace("\r\n", "\n"))
    except (OSError, ValueError, RecursionError, unpack.RefusedError) as error:
        raise WarmupError(
            f"{word} cannot be used: {error}",
            hint=f"name the {SUMS} or the wheelhouse/manifest.json of what lies inside",
        ) from None
    if f"{wheelhouse.shown}/{manifest.NAME}" not in base.files:
        raise WarmupError(
            f"{word} is not the list of a state",
            hint=f"the {SUMS} beside unpack.py is of the medium; name the folder of that bundle",
        )
    return base


def _of_manifest(data: bytes, wheelhouse: Wheelhouse) -> Base:
    """Take of a manifest what it says of wheels and sdists: everything else is always carried."""
    entries = Manifest.from_dict(json.loads(data)).cells.values()
    files = {name: sha for entry in entries for name, sha in entry.carried.items()}
    told = f"the {manifest.NAME} with sha256 {id_of(data.decode())[:SHORT]}"
    return Base({f"{wheelhouse.shown}/{name}": sha for name, sha in files.items()}, told)

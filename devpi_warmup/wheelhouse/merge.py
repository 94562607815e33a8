"""Parts, the wheelhouses of several jobs, become one: in any order the same bytes.

What a part says is believed as far as its bytes bear it out; whether pip accepts what comes of it
is asked afterwards (:mod:`devpi_warmup.prove.again`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devpi_warmup.digests import digest
from devpi_warmup.errors import WarmupError, together
from devpi_warmup.wheelhouse.files import StoredFile
from devpi_warmup.wheelhouse.manifest import FORMAT, NAME, CellEntry, Manifest, read, write
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.reading import ManifestError
from devpi_warmup.wheelhouse.warmth import PRIVATE, UNSWEPT, Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.files import Wheelhouse

_GONE = Proof(Warmth.UNKNOWN, "the private devpi-server of its part is gone")
_LARGEST = 64 << 20  # bytes of a manifest; 600 projects for 120 targets take about 10 MB
_CUT = "a merge was cut off: merge again, or warm it up"
_FEW = 3


@dataclass(frozen=True)
class Part:
    """One wheelhouse that was warmed up elsewhere.

    :param shown: as its user calls it
    """

    path: Path
    shown: str
    manifest: Manifest
    tool: str


class PartError(WarmupError):
    """A part that cannot be joined, or two that contradict each other."""


def read_part(path: Path, shown: str) -> Part:
    """Read what a part says of itself.

    :raises PartError: it is none
    """
    file = path / NAME
    hint = f"name the folder that holds {NAME}: a wheelhouse, as a job has left it"
    try:
        if path.is_symlink() or file.is_symlink() or not file.is_file():
            raise PartError(f"{shown} holds no {NAME}", hint=hint)
        if file.stat().st_size > _LARGEST:
            raise PartError(f"{shown}/{NAME} is over {_LARGEST >> 20} MiB", hint=hint)
        table = json.loads(file.read_text(encoding="utf-8"))
        return Part(path, shown, Manifest.from_dict(table), str(table.get("tool")))
    except ManifestError as error:
        hint = f"warm it up with the devpi-warmup of this checkout, whose format is {FORMAT}"
        raise PartError(f"{shown}/{NAME} cannot be used: {error}", hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"{shown}/{NAME} cannot be read: {str(error)[:200]}"
        raise PartError(message, hint="was the job cut off while it stored its part?") from None


def join(parts: Sequence[Part], cells: Iterable[Cell], digests: Mapping[str, str]) -> Manifest:
    """Return what the parts say together.

    :param cells: those of the configuration here
    :param digests: of what each environment requires here, by its name
    :raises WarmupError: they do not go together; every reason
    """
    ordered = sorted(parts, key=lambda part: part.shown)
    problems = [*_settings(ordered), *_strange(ordered, cells, digests), *_files(ordered)]
    entries: dict[str, tuple[Part, CellEntry]] = {}
    for part in ordered:
        for id_, entry in part.manifest.cells.items():
            known = entries.get(id_)
            if known is None:
                entries[id_] = (part, entry)
                continue
            other, first = known
            if first.gathered and entry.gathered and _what(first) != _what(entry):
                problems.append(_conflict(id_, (other, first), (part, entry)))
            entries[id_] = (part, entry) if _order(entry) < _order(first) else known
    if problems:
        raise together(problems)
    joined = {id_: entry for id_, (_, entry) in sorted(entries.items())}
    named = {name for entry in joined.values() for name in entry.carried}
    files = {name: _file(name, ordered) for name in sorted(named)}
    bases = {part.manifest.bases for part in ordered}
    return Manifest(
        ordered[0].manifest.index, joined, files, bases.pop() if len(bases) == 1 else ()
    )


def gather(manifest: Manifest, parts: Sequence[Part], wheelhouse: Wheelhouse) -> None:
    """Bring every file and lock of a joined manifest into a wheelhouse that is held.

    Nothing changes where a file is wrong. From the first change on, until the caller writes this
    manifest, the one that is there covers nothing.

    :raises WarmupError: a file of a part is not what its manifest says; every one that is not
    """
    ordered = sorted(parts, key=lambda part: part.shown)
    problems: list[WarmupError] = []
    wanted = {name: file.sha256 for name, file in manifest.files.items()}
    locks = {n: s for entry in manifest.cells.values() for n, s in entry.locks.items()}
    found: dict[str, StoredFile] = {}
    for name, sha256 in sorted({**wanted, **locks}.items()):
        here = wheelhouse.find(name, sha256)
        if (wheelhouse.path / name).is_dir():
            problems.append(PartError(f"{wheelhouse.shown}/{name} is a folder", hint="remove it"))
            continue
        try:
            found[name] = here or _taken(name, sha256, ordered, wheelhouse)
        except PartError as error:
            problems.append(error)
    if problems:
        raise together(problems)
    _strike_out(wheelhouse)
    for name, stored in found.items():
        wheelhouse.publish(stored, name)
    for id_, entry in manifest.cells.items():
        if entry.gathered:
            wheelhouse.drop_outdated(id_)


def _strike_out(wheelhouse: Wheelhouse) -> None:
    """Have the manifest that is there cover nothing, should this be killed."""
    before = read(wheelhouse)
    if not before.problem:
        cut = {id_: entry.struck(_CUT) for id_, entry in before.cells.items()}
        write(wheelhouse, replace(before, cells=cut))


def _taken(name: str, sha256: str, parts: Iterable[Part], wheelhouse: Wheelhouse) -> StoredFile:
    """Copy a file of the first part that has it, and hash what was copied."""
    holders = [part for part in parts if sha256 in {_sha256(part, name), _lock(part, name)}]
    for part in holders:
        path = part.path / name
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
            continue
        copy = wheelhouse.staging / f"part-{sha256[:24]}"
        size = part.manifest.files[name].size if name in part.manifest.files else _LARGEST
        with path.open("rb") as source, copy.open("wb") as target:
            left = size + 1  # more than that is another file
            while left > 0 and (piece := source.read(min(left, 1 << 20))):
                target.write(piece)
                left -= len(piece)
        if digest(copy) == sha256:
            return StoredFile(copy, sha256, copy.stat().st_size)
        raise PartError(
            f"{part.shown}/{name} is not the file that its warmup left there",
            hint="store and fetch that part again; some stores change text files",
        )
    where = " and ".join(part.shown for part in holders)
    raise PartError(f"{name} is missing from {where}", hint="store the whole wheelhouse of a job")


def _settings(parts: Sequence[Part]) -> Iterator[PartError]:
    """Yield what the parts were not warmed up alike with."""
    first = parts[0]
    for part in parts[1:]:
        for what, mine, other in (
            ("index", part.manifest.index, first.manifest.index),
            ("version", part.tool, first.tool),
        ):
            if mine != other:
                yield PartError(
                    f"{first.shown} and {part.shown} were warmed up with another {what}: "
                    f"{other} and {mine}",
                    hint="warm up all parts with the same configuration and devpi-warmup",
                )


def _strange(
    parts: Iterable[Part], cells: Iterable[Cell], digests: Mapping[str, str]
) -> Iterator[PartError]:
    """Yield what is of another configuration or of other requirements than those here."""
    known = {cell.id: cell for cell in cells}
    for part in parts:
        others = sorted(set(part.manifest.cells) - set(known))
        if others:
            more = f" and {len(others) - _FEW} more" if len(others) > _FEW else ""
            yield PartError(
                f"{part.shown} has what is no target here: {', '.join(others[:_FEW])}{more}",
                hint="merge in a checkout of the commit that the parts were made of",
            )
        for id_, entry in part.manifest.cells.items():
            if id_ in known and entry.requirements_sha256 != digests[known[id_].environment]:
                yield PartError(
                    f"{part.shown}: {id_} was warmed up for other requirements than those here",
                    hint="merge in a checkout of the commit that the parts were made of",
                )


def _files(parts: Iterable[Part]) -> Iterator[PartError]:
    """Yield names that are two files."""
    seen: dict[str, tuple[Part, str]] = {}
    for part in parts:
        for name, file in part.manifest.files.items():
            other, sha256 = seen.setdefault(name.casefold(), (part, file.sha256))
            if sha256 != file.sha256:
                yield PartError(
                    f"{name} is two different files: sha256 {sha256} in {other.shown}, "
                    f"{file.sha256} in {part.shown}",
                    hint="built apart, a wheel may differ: build it in one job, or bring it along "
                    "(wheels = […])"
                    if file.origin is Origin.BUILT
                    else "were the parts warmed up through the same index?",
                )


def _conflict(id_: str, one: tuple[Part, CellEntry], two: tuple[Part, CellEntry]) -> PartError:
    (first, mine), (second, other) = one, two
    only = [sorted(set(a.files) - set(b.files))[:_FEW] for a, b in ((mine, other), (other, mine))]
    sides = [
        f"{part.shown}{': ' if names else ''}{', '.join(names)}"
        for part, names in zip((first, second), only, strict=True)
    ]
    return PartError(
        f"{id_} was warmed up twice with different outcomes ({'; '.join(sides)})",
        hint="leave one of the two away; tracked locks keep the pins of all jobs the same",
    )


def _what(entry: CellEntry) -> tuple[object, ...]:
    """Return what must be the same of a cell that two parts have."""
    return dict(entry.locks), dict(entry.carried), entry.patches, dict(entry.to_build)


def _order(entry: CellEntry) -> tuple[bool, str]:
    """Return what decides between two parts: what was gathered comes first."""
    return not entry.gathered, json.dumps(entry.to_dict(), sort_keys=True)


def _file(name: str, parts: Iterable[Part]) -> FileEntry:
    """Return what the parts know of one file, which is the same in all."""
    entries = [part.manifest.files[name] for part in parts if name in part.manifest.files]
    indexed = [entry for entry in entries if entry.origin is Origin.INDEX] or entries
    chosen = min(indexed, key=lambda entry: json.dumps(entry.to_dict(), sort_keys=True))
    if chosen.origin is not Origin.INDEX:
        return chosen
    if any(part.manifest.index.startswith(PRIVATE) for part in parts):
        return replace(chosen, proof=_GONE)
    # Whoever asked has an answer; of two answers the worse counts.
    ranks = [Warmth.COLD, Warmth.UNKNOWN, Warmth.WARM]
    asked = [entry.proof for entry in indexed if entry.proof.reason != UNSWEPT.reason]
    proof = min(asked or [UNSWEPT], key=lambda one: (ranks.index(one.warmth), one.reason))
    return replace(chosen, proof=proof)


def _sha256(part: Part, name: str) -> str:
    return part.manifest.files[name].sha256 if name in part.manifest.files else ""


def _lock(part: Part, name: str) -> str:
    return next((e.locks[name] for e in part.manifest.cells.values() if name in e.locks), "")

"""The coverage table, for people: plain text on stdout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devpi_warmup.console import megabytes
from devpi_warmup.errors import SEVERAL
from devpi_warmup.inputs.sdists import Sdists
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, TO_BUILD
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.wheelhouse.coverage import Coverage
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.manifest import Manifest


_NAMED = 3  # projects by name; more are counted


@dataclass(frozen=True)
class Row:
    """One line of the coverage table.

    :param patches: the patch releases of Python that its lock serves
    :param size: of everything that it carries, in bytes
    :param warm: how many files devpi is shown to hold, what builds require among them
    :param shown: how many it could be asked for
    :param reason: why it is missing, or not warm
    :param details: the same in full, where it has more than a line and stands in no other row
    :param whole: the same in full, always
    :param notes: what else the user may want to know
    :param unshown: why it cannot be shown that everything is warm, and from every base
    :param left: what has to be built where it is installed, and is not named in carry
    """

    cell: str
    state: str
    patches: str = ""
    pins: int = 0
    size: int = 0
    warm: int = 0
    shown: int = 0
    reason: str = ""
    details: str = ""
    notes: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    whole: str = ""

    @property
    def good(self) -> bool:
        """Whether the cell is as it must be, and warm as far as that can be shown."""
        return self.state != MISSING and not self.left and self.warm == self.shown


def rows(
    coverage: Coverage,
    cells: Iterable[Cell],
    digests: Mapping[str, str],
    failures: Mapping[str, str | None],
    *,
    asked: str | None = None,
    carry: Mapping[str, Sdists] | None = None,
) -> list[Row]:
    """Judge each cell by the manifest and by what lies on disk now.

    :param digests: of what each environment requires now, by its name
    :param failures: why a cell failed in this very run, where it did
    :param asked: the index that is configured now, where this is not the end of a run with it
    :param carry: what may be left to be built inside, by the name of the environment
    """
    found, reasons = [], dict[str, str]()
    manifest = as_asked(coverage.manifest, asked)
    for cell in cells:
        reason = failures.get(cell.id) or coverage.why_missing(cell, digests[cell.environment])
        if reason:
            summary = _summary(reason)
            same = reasons.setdefault(summary, cell.id)
            told = summary if same == cell.id else f"as {same}"
            details = reason if same == cell.id and "\n" in reason else ""
            found.append(Row(cell.id, MISSING, reason=told, details=details, whole=reason))
        else:
            accepted = (carry or {}).get(cell.environment, Sdists())
            found.append(_gathered(manifest, cell, accepted))
    return found


def as_asked(manifest: Manifest, asked: str | None) -> Manifest:
    """Return a manifest as it tells of an index: what another was shown to hold is not warm there.

    :param asked: the index, or None for that of the manifest
    """
    if asked in {None, manifest.index}:
        return manifest
    elsewhere = Proof(Warmth.COLD, f"{manifest.index} was asked, not {asked}")
    files = {
        name: replace(file, proof=elsewhere) if file.origin is Origin.INDEX else file
        for name, file in manifest.files.items()
    }
    return replace(manifest, files=files)


def _gathered(manifest: Manifest, cell: Cell, accepted: Sdists) -> Row:
    entry = manifest.cells[cell.id]
    files = [manifest.files[name] for name in entry.carried]
    indexed = [file for file in files if file.origin is Origin.INDEX]
    warm = [file for file in indexed if file.proof.warmth is Warmth.WARM]
    # Where some can be shown, all must be: a devpi is there, and some files pass it by.
    judged = {Warmth.COLD, Warmth.UNKNOWN} if warm else {Warmth.COLD}
    cold = [file for file in indexed if file.proof.warmth in judged]
    unshown = [f.proof.reason for f in indexed if f.proof.warmth is Warmth.UNKNOWN]
    past = [file for file in files if file.origin not in {Origin.INDEX, Origin.ITSELF}]
    unshown += [f"{file.project} {file.origin.told}" for file in past]
    unshown += [entry.unshown] if entry.unshown else []
    to_build = [manifest.files[name] for name in entry.to_build]
    left = [f for f in to_build if not accepted.admits_named(f.project, f.version, cell.target)]
    reasons = [f"to build inside: {', '.join(f.project for f in to_build)}"] if to_build else []
    return Row(
        cell=cell.id,
        state=entry.state,
        patches=str(entry.patches),
        pins=len(entry.files),
        size=sum(file.size for file in files),
        warm=len(warm),
        shown=len(warm) + len(cold),
        reason="; ".join([*reasons, *_cold(cold)]),
        notes=manifest.notes(entry),
        unshown=tuple(dict.fromkeys(unshown)),
        left=tuple(file.project for file in left),
    )


def _cold(files: Sequence[FileEntry]) -> Iterator[str]:
    """Say what is not warm, and why; of many files for one reason, how many."""
    reasons: dict[str, list[str]] = {}
    for file in files:
        reasons.setdefault(str(file.proof), []).append(file.project)
    for reason, projects in reasons.items():
        who = ", ".join(projects) if len(projects) <= _NAMED else f"{len(projects)} files"
        yield f"{who} {reason}"


def _summary(reason: str) -> str:
    """Return the first line of a reason, and the second where the first only announces it.

    Of several problems, it names what each is about.
    """
    first, *more = reason.splitlines()
    if SEVERAL.fullmatch(first):
        about = (line.strip().partition(": ")[0] for line in more if not line.startswith("   "))
        return f"{first} {', '.join(dict.fromkeys(about))}"
    return " ".join([first, more[0].strip()]) if first.endswith(":") and more else first


def table(found: Sequence[Row], *, counted: str = "targets") -> str:
    """Return the coverage table as plain text, for stdout.

    :param counted: what its rows are
    """
    width = max((len(row.cell) for row in found), default=0)
    patches = max((len(row.patches) for row in found), default=0)
    states = max((len(row.state) for row in found), default=len(COVERED))
    head = f"{counted[:-1]:<{width}}  {'state':<{states}}  {'python':<{max(patches, 6)}}"
    lines = [f"{head}  pins       size  warm"]
    for row in found:
        line = f"{row.cell:<{width}}  {row.state:<{states}}  {row.patches:<{max(patches, 6)}}"
        line += f"  {row.pins:>4}  {megabytes(row.size):>9}"
        warm = f"{row.warm} of {row.shown}" if row.shown else "-"
        remarks = [row.reason] if row.reason else []
        remarks += [f"note: {row.notes[0]}"] if row.notes else []
        remarks += [f"and {len(row.notes) - 1} more notes"] if len(row.notes) > 1 else []
        lines.append(f"{line}  {warm:<8}  {'; '.join(remarks)}".rstrip())
    covered = sum(row.state == COVERED for row in found)
    last = f"{covered} of {len(found)} {counted} covered"
    if to_build := sum(row.state == TO_BUILD for row in found):
        last += f", {to_build} to build inside"
    lines.append(last)
    return "\n".join(lines)

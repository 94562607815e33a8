"""The manifest during a run: true at every moment, whenever the run is killed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.coverage import UNFINISHED, Coverage
from devpi_warmup.wheelhouse.file_entry import FileEntry
from devpi_warmup.wheelhouse.lock import Build
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, TO_BUILD, CellEntry
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.wheelhouse.build_record import BuildRecord
    from devpi_warmup.wheelhouse.files import Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock


class ManifestJournal:
    """The manifest of the wheelhouse that a run holds.

    A cell stands in it as covered only while its lock and its files are what the referee
    has seen: it is struck out before a byte of them changes.
    """

    def __init__(
        self,
        wheelhouse: Wheelhouse,
        digests: Mapping[str, str],
        index: str,
        bases: tuple[str, ...] = (),
        unpacked_by: str = "",
    ) -> None:
        """Read the manifest; nobody else writes it while the run holds the wheelhouse.

        :param digests: of what each environment requires, by its name
        :param index: what is asked what it holds; what another was shown to hold is not warm
        :param bases: the indexes that have a say there
        :param unpacked_by: the digest of what has pip unpack files; another's verdict is none
        """
        self._wheelhouse = wheelhouse
        self._digests = digests
        before = manifest.read(wheelhouse)
        elsewhere = Proof(Warmth.COLD, f"warmed through another index, {before.index}")
        files = {
            name: replace(file, proof=elsewhere)
            if file.origin is Origin.INDEX and before.index != index
            else file
            for name, file in before.files.items()
        }
        if before.unpacked_by != unpacked_by:
            files = {name: replace(file, pip="") for name, file in files.items()}
        own = replace(before, index=index, bases=bases, unpacked_by=unpacked_by, problem="")
        self.manifest = replace(own, files=files)
        self._unwritten = False  # what nothing is entered in, stays as it is

    def begin(self, lock: Lock) -> None:
        """Strike out the cells that this lock is about to change something of."""
        own = lock.cell.id
        new = {pin.file.filename: pin.sha256 for pin in lock.pins}
        carried = {**_by_name(lock.sources), **new}
        changes = {}
        for id_, entry in self.manifest.cells.items():
            if not entry.gathered:
                continue
            if id_ == own:
                reason = "" if self._is_unchanged(entry, lock, new) else UNFINISHED
            else:
                replaced = [n for n, s in entry.carried.items() if carried.get(n, s) != s]
                files = ", ".join(replaced)
                reason = f"{files} was replaced for {own}: warm it up again" if replaced else ""
            if reason:
                changes[id_] = entry.struck(reason)
        if changes:
            self._write(changes)

    def covered(
        self,
        lock: Lock,
        unswept: Proof,
        judged: Mapping[str, tuple[str, ...]],
        *,
        pip_version: str,
        verdict: str = "",
        unshown: str = "",
    ) -> None:
        """Enter a cell whose lock the referee has accepted.

        :param unswept: what is known of files of the index until the sweep has asked for them
        :param judged: what pip warned of when it unpacked each file, by filename
        :param pip_version: of that pip, which is the referee
        :param verdict: a digest of everything that was before it
        :param unshown: why it cannot be shown that every base of the index has answered
        """
        locks = {
            path.relative_to(self._wheelhouse.path).as_posix(): self._wheelhouse.digests.of(path)
            for path in (
                *self._wheelhouse.lock_paths(lock.cell.id),
                *(self._wheelhouse.build_lock_paths(lock.cell.id) if lock.every_build else ()),
            )
        }
        entry = replace(
            self._entry(lock.cell, TO_BUILD if lock.to_build else COVERED),
            patches=lock.patches,
            pip=pip_version,
            verdict=verdict,
            locks=locks,
            files={pin.file.filename: pin.sha256 for pin in lock.pins},
            sources=_by_name(lock.sources),
            to_build={one.sdist.filename: one.record for one in lock.to_build},
            notes=lock.notes,
            unshown=unshown,
        )
        records = {b.file.filename: b.record for b in lock.every_build if isinstance(b, Build)}
        files = self._sources(lock, unswept, records)
        for pin in lock.wheels:
            file = FileEntry(
                project=pin.project,
                version=str(pin.version),
                sha256=pin.sha256,
                size=pin.size,
                origin=pin.file.origin,
                proof=_proof(pin.file, unswept),
                pip=pip_version,
                warnings=judged[pin.file.filename],
                built=records.get(pin.file.filename),
                licence=self._licence(pin.file.filename, pin.sha256),
            )
            before = self.manifest.files.get(pin.file.filename)
            if (
                before is not None
                and before.origin is Origin.INDEX
                and before.sha256 == file.sha256
            ):
                # One target has it from a direct URL, another from the index: devpi must hold it.
                proof = file.proof if file.origin is Origin.INDEX else before.proof
                file = replace(file, origin=Origin.INDEX, proof=proof)
            files[pin.file.filename] = file
        own = {name: files[name] for name in entry.files}
        entry = replace(entry, checksum=manifest.checksum(entry, own))
        self._write({lock.cell.id: entry}, files)
        self._wheelhouse.drop_outdated(lock.cell.id)

    def stands(
        self,
        cell: Cell,
        wanted: Iterable[IndexFile],
        unswept: Proof,
        *,
        unshown: str = "",
    ) -> None:
        """Leave a cell as the last run has entered it; what is shown of it is that of this run.

        Nothing is written of it before :meth:`keep`: until then the manifest says of it what the
        last run was shown.

        :param wanted: the files of its lock
        :param unswept: what is known of files of the index until the sweep has asked for them
        :param unshown: why it cannot be shown that every base of the index has answered
        """
        known = self.manifest.files
        files = {f.filename: replace(known[f.filename], proof=_proof(f, unswept)) for f in wanted}
        entry = replace(self.manifest.cells[cell.id], unshown=unshown)
        self._enter({cell.id: entry}, files)
        for path in self._wheelhouse.build_lock_paths(cell.id):
            path.unlink(missing_ok=True)
        self._wheelhouse.drop_outdated(cell.id)

    def _sources(
        self,
        lock: Lock,
        unswept: Proof,
        records: Mapping[str, BuildRecord],
    ) -> dict[str, FileEntry]:
        """Return the entries of sdists and of what builds required."""
        files = {}
        for one in lock.every_build:
            whats = [(one.project, str(one.version), one.sdist, one.sha256, one.size)]
            whats += [(p.project, str(p.version), p.file, p.sha256, p.size) for p in one.requires]
            for project, version, file, sha256, size in whats:
                known = self.manifest.files.get(file.filename)
                if known is not None and known.sha256 != sha256:
                    known = None
                files[file.filename] = FileEntry(
                    project=project,
                    version=version,
                    sha256=sha256,
                    size=size,
                    origin=file.origin,
                    proof=_proof(file, unswept),
                    pip=known.pip if known else "",
                    warnings=known.warnings if known else (),
                    built=records.get(file.filename),
                    licence=self._licence(file.filename, sha256),
                )
        return files

    def _licence(self, filename: str, sha256: str) -> str:
        known = self.manifest.files.get(filename)
        if known is not None and known.sha256 == sha256 and known.licence:
            return known.licence
        return str(self._wheelhouse.about(filename).licence)

    def notes(self, cell: Cell) -> tuple[str, ...]:
        """Return what the user may want to know of a covered cell."""
        return self.manifest.notes(self.manifest.cells[cell.id])

    def keep(self) -> None:
        """Write what was entered, and is not written yet."""
        if self._unwritten:
            manifest.write(self._wheelhouse, self.manifest)
            self._unwritten = False

    def proven(self, proofs: Mapping[IndexFile, Proof]) -> None:
        """Enter the last word of devpi on files of this run."""
        known = self.manifest.files
        files = {
            file.filename: replace(known[file.filename], proof=proof)
            for file, proof in proofs.items()
            if file.filename in known
        }
        if files:
            self._write({}, files)

    def missing(self, cell: Cell, reason: str, *, touched: bool) -> None:
        """Enter a cell that is not covered, and why.

        A lock that serves other requirements than those of today is set aside: it would install
        without what has failed.

        :param touched: whether this run had its lock already; until then, what an earlier one
            has covered stays so, for the same requirements
        """
        before = self.manifest.cells.get(cell.id)
        entry = replace(self._entry(cell, MISSING), reason=reason)
        if before is not None and before.gathered and not touched:
            same = before.requirements_sha256, before.full_version
            if same == (entry.requirements_sha256, entry.full_version):
                return
        self._write({cell.id: entry})
        self._wheelhouse.set_lock_aside(cell.id)

    def _entry(self, cell: Cell, state: str) -> CellEntry:
        target = cell.target
        wanted = self._digests[cell.environment]
        return CellEntry(target.python, target.full_version, target.platform, state, wanted)

    def _is_unchanged(self, entry: CellEntry, lock: Lock, new: Mapping[str, str]) -> bool:
        path = self._wheelhouse.lock_path(lock.cell.id)
        text = lock.to_requirements(self._wheelhouse.shown)
        same_lock = path.is_file() and path.read_bytes() == text.encode()
        return (
            same_lock and entry.files == new and not Coverage(self._wheelhouse).changed(entry.locks)
        )

    def _write(
        self, cells: Mapping[str, CellEntry], files: Mapping[str, FileEntry] | None = None
    ) -> None:
        self._enter(cells, files)
        self.keep()

    def _enter(
        self, cells: Mapping[str, CellEntry], files: Mapping[str, FileEntry] | None = None
    ) -> None:
        self.manifest = replace(
            self.manifest,
            cells={**self.manifest.cells, **cells},
            files={**self.manifest.files, **(files or {})},
        )
        self._unwritten = True


def _by_name(files: Mapping[IndexFile, str]) -> dict[str, str]:
    return {file.filename: sha256 for file, sha256 in files.items()}


def _proof(file: IndexFile, unswept: Proof) -> Proof:
    return unswept if file.indexed else Proof(Warmth.UNKNOWN, f"it {file.origin.told}")

"""What a run tells: progress, the coverage table, the manifest."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devpi_warmup import __version__
from devpi_warmup.wheelhouse import LOCKS, Wheelhouse, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from devpi_warmup.devpi import Proof
    from devpi_warmup.index import IndexFile
    from devpi_warmup.lock import Lock
    from devpi_warmup.requirements import RequirementSet
    from devpi_warmup.targets import Target

FORMAT = 1
WARM, COLD = "warm", "not warm"
UNFINISHED = "its warmup has not finished"
_LINE_EVERY = 100_000_000  # bytes between two lines of progress in a log


def say(line: str) -> None:
    """Write a line of progress to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def progress(target: Target) -> Iterator[Callable[[int], None]]:
    """Show how many bytes have come: a live line on a terminal, now and then a line in a log."""
    if not sys.stderr.isatty():
        total = 0

        def count(size: int) -> None:
            nonlocal total
            before, total = total, total + size
            if before // _LINE_EVERY != total // _LINE_EVERY:
                say(f"{target.id}: {megabytes(total)} downloaded so far")

        yield count
        return
    from rich.console import Console  # noqa: PLC0415 - verify runs without it
    from rich.progress import (  # noqa: PLC0415
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(f"{target.id}: resolving and downloading", total=None)
        yield lambda size: bar.advance(task, size)


def megabytes(size: int) -> str:
    """Return a size in bytes as people read it."""
    return f"{size / 1_000_000:.1f} MB"


@dataclass(frozen=True)
class Ledger:
    """The manifest, kept true at every moment of a run.

    A target stands in it as covered only while its lock and its files are what the referee
    has seen: it is struck out before a byte of them changes.
    """

    wheelhouse: Wheelhouse
    requirements: RequirementSet
    index: str

    def begin(self, lock: Lock) -> None:
        """Strike out the targets that this lock is about to change something of."""
        targets = self._targets()
        for id_, entry in targets.items():
            if entry["state"] == "covered" and self._changes(id_, entry, lock):
                reason = UNFINISHED
                if id_ != lock.target.id:
                    reason = f"a file of it was replaced for {lock.target.id}: warm it up again"
                entry |= {"state": "missing", "reason": reason}
        self._write(targets)

    def covered(self, lock: Lock, proofs: Mapping[IndexFile, Proof], *, pip_version: str) -> None:
        """Enter a target whose lock the referee has accepted.

        :param proofs: what devpi says of each file, where the index is a devpi
        """
        entry = self._entry(lock.target, "covered", None)
        entry["lock_sha256"] = digest(self.wheelhouse.lock_path(lock.target.id))
        entry["pip"] = pip_version
        entry["files"] = {pin.file.filename: pin.sha256 for pin in lock.pins}
        files = {
            pin.file.filename: {
                "project": pin.project,
                "version": str(pin.version),
                "sha256": pin.sha256,
                "size": pin.size,
                "origin": "direct URL" if pin.direct else "index",
                "warm": "direct URL" if pin.direct else _warmth(proofs.get(pin.file)),
            }
            for pin in lock.pins
        }
        self._write(self._targets() | {lock.target.id: entry}, files)

    def proven(self, proofs: Mapping[IndexFile, Proof]) -> None:
        """Enter the last word of devpi on files of this run."""
        files = self.wheelhouse.read_manifest().get("files", {})
        for file, proof in proofs.items():
            if file.filename in files:
                files[file.filename]["warm"] = _warmth(proof)
        self._write(self._targets(), files)

    def missing(self, target: Target, reason: str) -> None:
        """Enter a target that is not covered, and why. Its old lock and files stay."""
        self._write(self._targets() | {target.id: self._entry(target, "missing", reason)})

    def _entry(self, target: Target, state: str, reason: str | None) -> dict[str, Any]:
        return {
            "python": target.python,
            "platform": target.platform,
            "state": state,
            "reason": reason,
            "requirements_sha256": self.requirements.digest,
            "lock": f"{LOCKS}/{target.id}.txt",
            "pylock": f"{LOCKS}/pylock.{target.id}.toml",
            "files": {},
        }

    def _changes(self, id_: str, entry: Mapping[str, Any], lock: Lock) -> bool:
        files: Mapping[str, str] = entry["files"]
        if id_ != lock.target.id:
            return any(files.get(pin.file.filename, pin.sha256) != pin.sha256 for pin in lock.pins)
        path = self.wheelhouse.lock_path(id_)
        same_lock = path.is_file() and path.read_text(encoding="utf-8") == lock.to_requirements()
        whole = files == {pin.file.filename: pin.sha256 for pin in lock.pins}
        return not (same_lock and whole and digest(path) == entry["lock_sha256"])

    def _targets(self) -> dict[str, dict[str, Any]]:
        manifest = self.wheelhouse.read_manifest()
        known: dict[str, dict[str, Any]] = manifest.get("targets", {})
        return known if manifest.get("format") == FORMAT else {}

    def _write(
        self, targets: dict[str, dict[str, Any]], files: Mapping[str, dict[str, Any]] | None = None
    ) -> None:
        known = self.wheelhouse.read_manifest().get("files", {}) | dict(files or {})
        named = {filename for entry in targets.values() for filename in entry["files"]}
        self.wheelhouse.write_manifest(
            {
                "format": FORMAT,
                "tool": f"devpi-warmup {__version__}",
                "index": self.index,
                "targets": targets,
                "files": {name: known[name] for name in sorted(named)},
            }
        )


def _warmth(proof: Proof | None) -> str:
    """Return ``warm``, or why it is not shown that devpi holds a file."""
    if proof is None:
        return "cannot be shown: the index is no devpi"
    if proof.warmth.value == WARM:
        return WARM
    return f"{proof.warmth.value}: {proof.reason}"


@dataclass(frozen=True)
class Row:
    """One line of the coverage table.

    :param warm: how many files devpi is shown to hold
    :param shown: how many it could be asked for
    """

    target: str
    state: str
    pins: int
    size: int
    warm: int
    shown: int
    reason: str

    @property
    def good(self) -> bool:
        """Whether the target is covered, and warm as far as that can be shown."""
        return self.state == "covered" and self.warm == self.shown


def rows(
    wheelhouse: Wheelhouse, targets: Iterable[Target], failures: Mapping[str, str | None]
) -> list[Row]:
    """Read the coverage of the targets from the manifest.

    :param failures: why a target failed in this very run, where it did; it outranks the manifest
    """
    manifest = wheelhouse.read_manifest()
    entries = manifest.get("targets", {})
    found = []
    for target in targets:
        entry = entries.get(target.id, {"state": "missing", "reason": "it was never warmed up"})
        failure = failures.get(target.id) or entry["reason"]
        if failure:
            found.append(Row(target.id, "missing", 0, 0, 0, 0, failure.splitlines()[0]))
            continue
        files = [manifest["files"][name] for name in entry["files"]]
        warmths = [file["warm"] for file in files]
        cold = [f"{f['project']} {f['warm']}" for f in files if f["warm"].startswith(COLD)]
        found.append(
            Row(
                target=target.id,
                state=entry["state"],
                pins=len(files),
                size=sum(file["size"] for file in files),
                warm=warmths.count(WARM),
                shown=warmths.count(WARM) + len(cold),
                reason=", ".join(cold),
            )
        )
    return found


def table(found: Sequence[Row]) -> str:
    """Return the coverage table as plain text, for stdout."""
    width = max((len(row.target) for row in found), default=0)
    lines = [f"{'target':<{width}}  state    pins       size  warm"]
    for row in found:
        line = f"{row.target:<{width}}  {row.state:<7}  {row.pins:>4}  {megabytes(row.size):>9}"
        warm = f"{row.warm} of {row.shown}" if row.shown else "-"
        lines.append(f"{line}  {warm:<8}  {row.reason}".rstrip())
    covered = sum(row.state == "covered" for row in found)
    lines.append(f"{covered} of {len(found)} targets covered")
    return "\n".join(lines)

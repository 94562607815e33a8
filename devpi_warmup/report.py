"""What a run tells: progress, and the coverage table."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup import manifest
from devpi_warmup.manifest import COLD, UNKNOWN, WARM, why_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from devpi_warmup.targets import Target
    from devpi_warmup.wheelhouse import Wheelhouse

_LINE_EVERY = 100_000_000  # bytes between two lines of progress in a log


def quiet_libraries() -> None:
    """Keep the debug lines of libraries, which name each request, out of nox's own log."""
    for library in ("urllib3", "filelock"):
        logging.getLogger(library).setLevel(logging.WARNING)


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
class Row:
    """One line of the coverage table.

    :param warm: how many files devpi is shown to hold
    :param shown: how many it could be asked for
    :param unknown: of how many it cannot be shown, direct URLs aside
    """

    target: str
    state: str
    pins: int
    size: int
    warm: int
    shown: int
    reason: str
    unknown: int = 0

    @property
    def good(self) -> bool:
        """Whether the target is covered, and warm as far as that can be shown."""
        return self.state == "covered" and self.warm == self.shown


def rows(
    wheelhouse: Wheelhouse,
    targets: Iterable[Target],
    requirements_digest: str,
    failures: Mapping[str, str | None],
) -> list[Row]:
    """Judge each target by the manifest and by what lies on disk now.

    :param requirements_digest: of the requirement files as they are now
    :param failures: why a target failed in this very run, where it did
    """
    known = manifest.read(wheelhouse)
    found = []
    for target in targets:
        reason = failures.get(target.id) or why_missing(wheelhouse, target, requirements_digest)
        if reason:
            found.append(Row(target.id, "missing", 0, 0, 0, 0, _summary(reason)))
            continue
        files = [known["files"][name] for name in known["targets"][target.id]["files"]]
        warmths = [file["warm"] for file in files]
        unknown = sum(warmth.startswith(UNKNOWN) for warmth in warmths)
        # Where some can be shown, all must be: a devpi is there, and some files pass it by.
        judged = (COLD, UNKNOWN) if WARM in warmths else (COLD,)
        cold = [f"{f['project']} {f['warm']}" for f in files if f["warm"].startswith(judged)]
        found.append(
            Row(
                target=target.id,
                state="covered",
                pins=len(files),
                size=sum(file["size"] for file in files),
                warm=warmths.count(WARM),
                shown=warmths.count(WARM) + len(cold),
                reason=", ".join(cold),
                unknown=unknown,
            )
        )
    return found


def strangers(wheelhouse: Wheelhouse, targets: Iterable[Target]) -> list[str]:
    """Return the wheels that no lock of these targets names, left by other configurations."""
    entries = manifest.read(wheelhouse).get("targets", {})
    named = {name for target in targets for name in entries.get(target.id, {}).get("files", {})}
    return sorted(path.name for path in wheelhouse.path.glob("*.whl") if path.name not in named)


def shown_of(wheelhouse: Wheelhouse) -> str:
    """Return the index that was asked what it holds, or ""."""
    return str(manifest.read(wheelhouse).get("index", ""))


def _summary(reason: str) -> str:
    """Return the first line of a reason, and the second where the first only announces it."""
    lines = [line.strip() for line in reason.splitlines()]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


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

"""How many bytes have come: a live line on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devpi_warmup import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devpi_warmup.inputs.cells import Cell

_LINE_EVERY = 100_000_000  # bytes between two lines in a log


@contextmanager
def progress(cell: Cell) -> Iterator[Callable[[int], None]]:
    """Show the progress of one cell; yield what is to be called with each number of bytes."""
    if not sys.stderr.isatty():
        total = 0

        def count(size: int) -> None:
            nonlocal total
            before, total = total, total + size
            if before // _LINE_EVERY != total // _LINE_EVERY:
                console.say(f"{cell.id}: {console.megabytes(total)} downloaded so far")

        yield count
        return
    from rich.console import Console  # noqa: PLC0415 - a terminal alone needs it
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
        task = bar.add_task(f"{cell.id}: resolving and downloading", total=None)
        yield lambda size: bar.advance(task, size)

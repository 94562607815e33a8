"""Errors at the line of the requirement that asked, as GitHub shows them in a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devpi_warmup.foreign import plain
from devpi_warmup.report.result import why

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devpi_warmup.report.result import Result

_SHOWN = 9  # GitHub shows ten errors of a step
_LONGEST = 4000  # characters; the log holds 64 kB of one
_PLACE = re.compile(r"([\w./-]+\.(?:txt|in|toml)):(\d+)")


def commands(result: Result, root: Path) -> str:
    """Return a workflow command a line: each reason once, and for which cells.

    :param root: the repository; places outside of it are not named
    """
    reasons: dict[str, list[str]] = {}
    for row in result.failed:
        reasons.setdefault(why(row), []).append(row.cell)
    if result.unexplained:
        reasons[result.unexplained] = [f"devpi-warmup {result.command}"]
    lines = [_command(reason, cells, root) for reason, cells in reasons.items()]
    if len(lines) > _SHOWN:
        left = f"{len(lines) - _SHOWN} more reasons stand in the log and in the reports"
        lines = [*lines[:_SHOWN], f"::error title=devpi-warmup::{left}"]
    return "".join(f"{line}\n" for line in lines)


def _command(reason: str, cells: list[str], root: Path) -> str:
    title = cells[0] if len(cells) == 1 else f"{cells[0]} and {len(cells) - 1} more"
    properties = [f"title={_property(title)}"]
    for file, line in _places(reason, root):
        properties = [f"file={_property(file)}", f"line={line}", *properties]
        break
    return f"::error {','.join(properties)}::{_data(plain(reason)[:_LONGEST])}"


def _places(reason: str, root: Path) -> Iterator[tuple[str, str]]:
    for file, line in _PLACE.findall(reason):
        inside = ".." not in file and not file.startswith("/")
        if inside and (root / file).is_file():
            yield file.removeprefix("./"), line


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""How many cells are said in few words, and projects as links."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from devpi_warmup.report.page.elements import element, link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from xml.etree.ElementTree import Element

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inventory.contents import Item
    from devpi_warmup.report.result import Result

_FEW, _MANY = 2, 4


def here(result: Result) -> tuple[Cell, ...]:
    """Return the cells that hold something."""
    return tuple(held.cell for held in result.inventory.held)


def which(ids: Iterable[str], every: Sequence[Cell]) -> str:
    """Say which of some cells are meant: "all 9", "3.11, 3.13 on every platform", or their ids.

    :param every: those there are
    """
    wanted = {*ids}
    cells = [cell for cell in every if cell.id in wanted]
    if len(cells) == len(every) > 1:
        return f"all {len(every)}"
    if len(cells) <= _FEW:
        return ", ".join(cell.id for cell in cells)
    for of, what in ((_python, "on every platform"), (_platform, "of every Python")):
        whole = [key for key, some in _groups(every, of) if all(c.id in wanted for c in some)]
        left = [cell.id for cell in cells if of(cell) not in whole]
        if whole and len(left) <= _FEW and len(whole) <= _MANY:
            return ", ".join([f"{', '.join(whole)} {what}", *left])
    if len(cells) <= _MANY:
        return ", ".join(cell.id for cell in cells)
    return f"{len(cells)} of {len(every)}"


def _groups(every: Sequence[Cell], of: Callable[[Cell], str]) -> list[tuple[str, list[Cell]]]:
    order = {key: place for place, key in enumerate(dict.fromkeys(map(of, every)))}
    ordered = sorted(every, key=lambda cell: order[of(cell)])
    return [(key, list(some)) for key, some in groupby(ordered, of)]


def _python(cell: Cell) -> str:
    return " ".join(filter(None, [cell.environment, cell.target.python]))


def _platform(cell: Cell) -> str:
    return " ".join(filter(None, [cell.environment, cell.target.platform]))


def count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def releases(items: Iterable[Item]) -> int:
    """Return how many versions some files are of."""
    return len({(item.file.project, item.file.version) for item in items})


def projects(items: Iterable[Item]) -> Element:
    """Return a cell of a table with links to the projects of some files, and their versions."""
    versions: dict[str, dict[str, None]] = {}
    for item in items:
        versions.setdefault(item.file.project, {})[item.file.version] = None
    made = element("td")
    for project, found in versions.items():
        made.append(to_project(project, f"{project} {', '.join(found)}"))
        made[-1].tail = "; "
    made[-1].tail = None
    return made


def to_project(project: str, text: str = "") -> Element:
    """Return a link to the files of a project.

    :param text: what it says; its name, where nothing is given
    """
    return link(text or project, f"project-{project}")

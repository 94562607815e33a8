"""Projects by targets: every version side by side."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from packaging.version import Version

from devpi_warmup.report.page.elements import NOTHING, boxed, element, link, section
from devpi_warmup.wheelhouse.manifest import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Held
    from devpi_warmup.report.result import Result


_T = TypeVar("_T")


def versions(result: Result) -> Element | None:
    """Return a column for each cell that holds something, neighbours with the same joined."""
    held = result.inventory.held
    if not held:
        return None
    projects = sorted({project for one in held for project in one.pins})
    noted = {note.partition(" ")[0] for row in result.rows for note in row.notes}
    star = " *: a note in Files says more." if noted & {*projects} else ""
    missing = [one.cell for one in result.rows if one.state == MISSING]
    left = f"{', '.join(missing)} are missing and have no column." if missing else None
    return section(
        "versions",
        "Versions",
        element(
            "p", f"Shaded: older than the newest in this wheelhouse. -: not needed there.{star}"
        ),
        element("p", left) if left else None,
        boxed(
            "Versions by target",
            _head(held),
            (_project(project, held, noted=project in noted) for project in projects),
            class_="versions",
        ),
    )


def _head(held: tuple[Held, ...]) -> list[Element]:
    names = ["environment", "Python", "platform"]
    cells = [one.cell for one in held]
    paths = [(cell.environment, cell.target.python, cell.target.platform) for cell in cells]
    made = []
    for depth, name in enumerate(names, start=1):
        if name == "environment" and not any(cell.environment for cell in cells):
            continue
        line = element("tr", element("th", name, scope="row"))
        for key, count in _runs(path[:depth] for path in paths):
            span = str(count) if count > 1 else None
            scope = "colgroup" if span else "col"
            line.append(
                element("th", element("span", key[-1]), scope=scope, colspan=span, class_=name)
            )
        made.append(line)
    return made


def _project(project: str, held: tuple[Held, ...], *, noted: bool) -> Element:
    found = [str(one.pins[project].version) if project in one.pins else "" for one in held]
    newest = max((v for v in found if v), key=Version)
    name = link(project, f"project-{project}")
    line = element("tr", element("th", name, " *" if noted else None, scope="row"))
    for version, count in _runs(found):
        old = "none" if not version else "old" if version != newest else None
        span = str(count) if count > 1 else None
        line.append(element("td", version or NOTHING, class_=old, colspan=span))
    return line


def _runs(found: Iterable[_T]) -> list[tuple[_T, int]]:
    """Return neighbours that are equal as one, and how many they are."""
    return [(value, len(list(some))) for value, some in groupby(found)]

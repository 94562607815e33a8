"""The matrix, and a line for each cell: its state, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.console import size_of
from devpi_warmup.report.page.elements import NOTHING, element, link, listed, row, section, table
from devpi_warmup.report.result import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result
    from devpi_warmup.report.table import Row

_CLASSES = {"covered": "good", "installed": "good", "to build": "fair", "missing": "bad"}
_COLD = "not warm"


def matrix(result: Result) -> Element | None:
    """Return states as Pythons by platforms, and what there is to say of each cell."""
    if not result.rows:
        return None
    return section(
        "targets",
        "Targets",
        _matrix(result),
        table(
            f"Every one of the {result.counted}",
            [
                *(result.counted[:-1], "state", "Python", "pins", "size"),
                *("held by devpi, with what builds take", "remarks"),
            ],
            _lines(result.rows),
        ),
    )


def _matrix(result: Result) -> Element:
    rows = {one.cell: one for one in result.rows}
    platforms = list(dict.fromkeys(cell.target.platform for cell in result.cells))
    lines: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in result.cells:
        line = lines.setdefault((cell.environment, cell.target.python), {})
        line[cell.target.platform] = cell
    named = any(environment for environment, _ in lines)
    head: list[Content] = ["environment, Python" if named else "Python", *platforms]
    return table(
        "States; each leads to its line below",
        head,
        (
            row(
                " ".join(filter(None, [environment, python])),
                *(_state(rows, cells.get(platform)) for platform in platforms),
            )
            for (environment, python), cells in lines.items()
        ),
        class_="matrix",
    )


def _state(rows: dict[str, Row], cell: Cell | None) -> Element:
    if cell is None:
        return element("td", NOTHING, class_="none")
    one = rows[cell.id]
    return element("td", link(_said(one), _id(one)), class_=_class(one))


def _said(one: Row) -> str:
    said = one.state
    if one.state != "missing" and one.warm != one.shown:
        said = f"{said}, {_COLD}"
    if one.state != "missing" and one.patches:
        said = f"{said}, {one.patches}"
    return f"{said} *" if one.notes else said


def _class(one: Row) -> str:
    kind = _CLASSES.get(one.state, "fair")
    return "fair" if kind == "good" and not one.good else kind


def _lines(rows: Iterable[Row]) -> Iterator[Element]:
    """Yield a line for each cell; what was said of another before is said by its name."""
    first: dict[tuple[str, ...], Row] = {}
    for one in rows:
        said = (*_reasons(one), *(f"note: {note}" for note in one.notes))
        before = first.setdefault(said, one)
        remarks: Content = None
        if said and before is not one:
            remarks = element("td", "as ", link(before.cell, _id(before)))
        elif said:
            remarks = element("td", listed(element("span", t, class_="text") for t in said))
        yield _line(one, remarks)


def _line(one: Row, remarks: Content) -> Element:
    warm = f"{one.warm} of {one.shown}" if one.shown else NOTHING
    pins, size = str(one.pins) if one.pins else NOTHING, size_of(one.size) if one.size else NOTHING
    state = element("td", one.state, class_=_class(one))
    made = row(one.cell, state, one.patches or NOTHING, pins, size, warm, remarks)
    made.set("id", _id(one))
    return made


def _reasons(one: Row) -> Iterator[str]:
    if text := why(one) or one.reason:
        yield text


def _id(one: Row) -> str:
    return f"cell-{one.cell}"

"""How much there is, and of what: numbers, each with a plain bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.console import size_of
from devpi_warmup.report.page.elements import element, row, section, table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Inventory
    from devpi_warmup.report.result import Result

_LARGEST = 10
_WIDTH = 200  # of the longest bar


def sizes(result: Result) -> Element | None:
    """Return sizes by environment and target, what only one target needs, and the largest files."""
    inventory = result.inventory
    if not inventory.items:
        return None
    largest = sorted(inventory.items, key=lambda item: (-item.file.size, item.name))[:_LARGEST]
    environments = _environments(inventory)
    by_environment = _bars("By environment", "environment", environments)
    return section(
        "sizes",
        "Sizes",
        element("p", f"{size_of(inventory.size)} in {len(inventory.items)} files together."),
        by_environment if len(environments) > 1 else None,
        _bars("By target", "target", _targets(inventory)),
        _bars("What only one Python needs", "Python", _only(inventory)),
        _bars("What only one target needs", "target", _alone(inventory)),
        _bars("The largest files", "file", [(item.name, item.file.size) for item in largest]),
    )


def _environments(inventory: Inventory) -> list[tuple[str, int]]:
    of = {held.cell.id: held.cell.environment for held in inventory.held}
    sizes: dict[str, int] = dict.fromkeys(of.values(), 0)
    for item in inventory.items:
        for environment in {of[cell] for cell in item.cells}:
            sizes[environment] += item.file.size
    return list(sizes.items())


def _targets(inventory: Inventory) -> list[tuple[str, int]]:
    sizes = {item.name: item.file.size for item in inventory.items}
    return [(held.cell.id, sum(sizes[n] for n in held.files)) for held in inventory.held]


def _alone(inventory: Inventory) -> list[tuple[str, int]]:
    alone = {held.cell.id: 0 for held in inventory.held}
    for item in inventory.items:
        if len(item.cells) == 1:
            alone[item.cells[0]] += item.file.size
    return list(alone.items())


def _only(inventory: Inventory) -> list[tuple[str, int]]:
    """Return what would not be there without a Python."""
    of = {held.cell.id: held.cell.target.python for held in inventory.held}
    alone = dict.fromkeys(of.values(), 0)
    for item in inventory.items:
        pythons = {of[cell] for cell in item.cells}
        if len(pythons) == 1:
            alone[pythons.pop()] += item.file.size
    return list(alone.items())


def _bars(caption: str, what: str, found: Iterable[tuple[str, int]]) -> Element:
    sizes = list(found)
    most = max((size for _, size in sizes), default=0) or 1
    return table(
        caption,
        [what, "size", "compared"],
        (row(name, size_of(size), _bar(size * _WIDTH // most)) for name, size in sizes),
        class_="bars",
    )


def _bar(width: int) -> Element:
    shape = element("rect", width=max(width, 1), height=10)
    return element(
        "td", element("svg", shape, width=_WIDTH, height=10, aria_hidden="true"), class_="bar"
    )

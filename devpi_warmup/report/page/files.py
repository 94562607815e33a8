"""Every file, by project: who wants it, its licence, its Python, its hash."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from devpi_warmup.console import size_of
from devpi_warmup.inventory.contents import why_older
from devpi_warmup.report.page.elements import boxed, cell, element, link, listed, section
from devpi_warmup.report.page.naming import count, here, to_project, which

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inventory.contents import Item
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result

_HEAD = ("file", "version", "size", "Requires-Python", "licence", "for", "sha256")


def files(result: Result) -> Element | None:
    """Return a group of rows for each project."""
    inventory = result.inventory
    if not inventory.items:
        return None
    head = element("tr", *(element("th", name, scope="col") for name in _HEAD))
    cells, there = here(result), {item.file.project for item in inventory.items}
    groups = groupby(inventory.items, lambda item: item.file.project)
    notes, older = _notes(result), why_older(inventory)
    return section(
        "files",
        "Files",
        boxed(
            "Files by project",
            [head],
            (
                _project(
                    *(name, list(items), cells, there),
                    [*notes.get(name, ()), *older.get(name, ())],
                )
                for name, items in groups
            ),
            class_="files",
        ),
    )


def _notes(result: Result) -> dict[str, tuple[str, ...]]:
    """Return the notes of cells by the project that they begin with, each once."""
    notes: dict[str, dict[str, None]] = {}
    for note in (note for row in result.rows for note in row.notes):
        notes.setdefault(note.partition(" ")[0].rstrip(":"), {})[note] = None
    return {project: tuple(found) for project, found in notes.items()}


def _project(
    name: str,
    items: Sequence[Item],
    cells: Sequence[Cell],
    there: set[str],
    notes: Sequence[str],
) -> Element:
    wanted = sorted({via for item in items for via in item.wanted_by})
    who = _wanted_by(wanted, there)
    summary = next((item.about.summary for item in items if item.about.summary), "")
    head = element(
        "th",
        element("strong", name),
        element("span", f" {summary}", class_="summary") if summary else None,
        who,
        listed(notes) if notes else None,
        colspan=len(_HEAD),
        scope="rowgroup",
    )
    lines = (_file(item, cells) for item in items)
    return element("tbody", element("tr", head, class_="project"), *lines, id=f"project-{name}")


def _wanted_by(wanted: Sequence[str], there: set[str]) -> Element:
    """Return who wants a project, each project there as a link to it."""
    made = element("div", "wanted by " if wanted else "taken by builds alone", class_="who")
    for via in wanted:
        project = via.partition("[")[0]
        part = to_project(project, via) if project in there else element("span", via)
        part.tail = ", " if via != wanted[-1] else None
        made.append(part)
    return made


def _file(item: Item, cells: Sequence[Cell]) -> Element:
    licence = element("td", str(item.about.licence), class_="bad" if item.verdict.refused else None)
    whats: list[Content] = [
        element("td", item.name, *_marks(item), class_="name"),
        item.file.version,
        element("td", size_of(item.file.size), class_="short"),
        item.about.requires_python or "any",
        licence,
        ("" if item.installed else "builds for ") + which(item.cells, cells),
        element("td", item.file.sha256, class_="hash"),
    ]
    return element("tr", *map(cell, whats))


def _marks(item: Item) -> Iterator[Element]:
    """Say what else there is to know of a file."""
    file = item.file
    said = []
    if file.built is not None:
        said.append(f"built here of {file.built.sdist}")
    elif file.origin.value != "index":
        said.append(f"not from the index: it {file.origin.told}")
    if item.about.boms:
        said.append(f"brings {count(len(item.about.boms), 'bill')} of materials (PEP 770)")
    said += [item.about.problem] if item.about.problem else []
    for text in said:
        yield element("div", text, class_="mark")
    for finding in item.findings:
        yield element("div", link(f"advisory {finding.id}", "advisories"), class_="mark bad")

"""What is not as it was: since the last lock, and since a state that was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.console import size_of, spelled
from devpi_warmup.report.page.elements import element, listed, row, section, table
from devpi_warmup.report.page.naming import count, to_project, which
from devpi_warmup.wheelhouse.changes import ADDED, GONE, by_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.since import Moved
    from devpi_warmup.report.result import Result
    from devpi_warmup.wheelhouse.changes import Change


_WORDS = {ADDED: "new there", GONE: "not needed there any more"}


def changes(result: Result) -> Element | None:
    """Return what has changed, or that nothing was named to compare with."""
    if not result.rows:
        return None
    parts: list[Element] = []
    if result.since is not None:
        parts += _since(result)
    elif any(result.changes.values()):
        parts.append(_table("Pins that changed since the last locks", result.changes, result))
    else:
        parts.append(
            element(
                "p",
                "No pin has changed since the last locks. " if result.command == "warmup" else None,
                "Nothing older was named to compare with: ",
                element("code", spelled("nox -s report -- --since MANIFEST")),
                " compares with a manifest.json that was kept.",
            )
        )
    return section("changes", "What has changed", *parts)


def _since(result: Result) -> list[Element]:
    since = result.since
    if since is None:
        return []
    new, gone = since.files_new, since.files_gone
    parts = [
        element(
            "p",
            f"Since {since.shown}: {count(len(new), 'new file')} ({size_of(_size(new))}), "
            f"{count(len(gone), 'file')} gone ({size_of(_size(gone))}).",
        )
    ]
    for said, cells in (("New", since.cells_new), ("Gone, or missing now", since.cells_gone)):
        if cells:
            parts.append(element("p", f"{said}: {', '.join(cells)}."))
    if any(since.changes.values()):
        parts.append(_table(f"Pins that changed since {since.shown}", since.changes, result))
    if since.licences:
        lines = (
            f"{one.project}: {one.version_before} stated {one.before}, "
            f"and {one.version_after} states {one.after}"
            for one in since.licences
        )
        parts += [element("h3", "Licences that changed"), listed(lines)]
    elif since.unknown:
        parts.append(element("p", "That manifest says nothing of licences."))
    for title, moved in (("New files", new), ("Files that are gone", gone)):
        if moved:
            rows = (
                row(one.name, size_of(one.size), element("td", one.sha256, class_="hash"))
                for one in moved
            )
            parts.append(table(title, ["file", "size", "sha256"], rows))
    return parts


def _size(moved: Sequence[Moved]) -> int:
    return sum(one.size for one in moved)


def _table(caption: str, found: Mapping[str, tuple[Change, ...]], result: Result) -> Element:
    every = [cell for cell in result.cells if cell.id in found]
    there = {item.file.project for item in result.inventory.items}
    return table(
        caption,
        ["project", "what", "before", "now", "for"],
        (
            row(
                to_project(change.project) if change.project in there else change.project,
                _WORDS.get(change.kind, change.kind),
                *(change.before, change.after, which(ids, every)),
            )
            for change, ids in by_change(found).items()
        ),
    )

"""What is not as it was: since the last lock, and since a state that was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.console import size_of, spelled
from devpi_warmup.report.page.elements import element, listed, row, section, shortened, table
from devpi_warmup.wheelhouse.changes import by_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.since import Differences, Moved
    from devpi_warmup.report.result import Result
    from devpi_warmup.wheelhouse.changes import Change


def changes(result: Result) -> Element | None:
    """Return what has changed, or that nothing was named to compare with."""
    if not result.rows:
        return None
    parts: list[Element] = []
    if result.since is not None:
        parts += _since(result.since)
    elif any(result.changes.values()):
        parts.append(_table("Changed since the last locks", result.changes))
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


def _since(since: Differences) -> list[Element]:
    new, gone = since.files_new, since.files_gone
    parts = [
        element(
            "p",
            f"Since {since.shown}: {len(new)} new files ({size_of(_size(new))}), "
            f"{len(gone)} are gone ({size_of(_size(gone))}).",
        )
    ]
    for said, cells in (("New", since.cells_new), ("Gone, or missing now", since.cells_gone)):
        if cells:
            parts.append(element("p", f"{said}: {', '.join(cells)}."))
    if any(since.changes.values()):
        parts.append(_table(f"Changed since {since.shown}", since.changes))
    if since.licences:
        lines = (f"{one.project}: {one.before}, now {one.after}" for one in since.licences)
        parts += [element("h3", "Other licences"), listed(lines)]
    elif since.unknown:
        parts.append(element("p", "That manifest says nothing of licences."))
    for title, moved in (("New files", new), ("Files that are gone", gone)):
        if moved:
            sizes = (row(one.name, size_of(one.size)) for one in moved)
            parts.append(table(title, ["file", "size"], sizes))
    return parts


def _size(moved: Sequence[Moved]) -> int:
    return sum(one.size for one in moved)


def _table(caption: str, found: Mapping[str, tuple[Change, ...]]) -> Element:
    return table(
        caption,
        ["project", "what", "before", "now", "for"],
        (
            row(
                change.project, change.kind, change.before, change.after, shortened(ids, len(found))
            )
            for change, ids in by_change(found).items()
        ),
    )

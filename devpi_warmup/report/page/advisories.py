"""Known vulnerabilities: what was looked for, where, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.report.page.elements import element, row, section, table
from devpi_warmup.report.page.naming import count, here, releases, to_project, which

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Inventory
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result

_WHOLE = 5000  # the whole export about Python has more advisories than that


def in_short(inventory: Inventory) -> str:
    """Say in a line what was looked for, and what was found."""
    known = inventory.advisories
    if inventory.unread:
        return "Not looked at: the advisories cannot be used"
    if known is None:
        return "Not looked at"
    found = releases(inventory.found)
    said = f"{count(found, 'version')} with some" if found else "None known"
    newest = f", the newest changed at {known.newest}" if known.newest else ""
    return (
        f"{said}, by {known.shown}: {count(known.count, 'advisory about Python')}{newest}".replace(
            "advisory about Pythons", "advisories about Python"
        )
    )


def advisories(result: Result) -> Element | None:
    """Return what is known of vulnerabilities, or that nobody has looked."""
    inventory = result.inventory
    if not inventory.items:
        return None
    parts: list[Content] = [element("p", f"{in_short(inventory)}.")]
    known = inventory.advisories
    if inventory.unread:
        parts.append(element("pre", inventory.unread))
    elif known is None:
        parts.append(
            element(
                "p",
                element("code", 'advisories = "osv/PyPI.zip"'),
                " in the table of pyproject.toml has them looked for, in a file, folder or archive "
                "of OSV's export.",
            )
        )
    else:
        every = releases(inventory.items)
        part = " It is a part of them: the whole export has thousands." * (known.count < _WHOLE)
        parts.append(
            element(
                "p",
                f"Each of the {count(every, 'version')} here was looked for by name and version. "
                f"What is newer than that copy, it does not know.{part}",
            )
        )
    if inventory.found:
        head = ["project", "version", "advisory", "severity", "fixed in", "for", "what"]
        parts.append(table("Advisories by project", head, _findings(result)))
    return section("advisories", "Known vulnerabilities", *parts)


def _findings(result: Result) -> Iterator[Element]:
    for found, items in result.inventory.findings.items():
        one = found.finding
        unclear = f"(perhaps not: {one.unclear})" if one.unclear else ""
        yield row(
            to_project(found.project),
            element("td", found.version, class_="bad"),
            ", ".join([one.id, *one.aliases]),
            one.severity or "not stated",
            ", ".join(one.fixed) or "none named",
            which((cell for item in items for cell in item.cells), here(result)),
            " ".join(filter(None, [one.summary, unclear])),
        )

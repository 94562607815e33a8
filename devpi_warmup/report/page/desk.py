"""What the security desk asks: licences, advisories, and what no index has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.report.page.elements import element, link, listed, row, section, shortened, table
from devpi_warmup.wheelhouse.about import Stated
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Inventory, Item
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result


_NAMED = 4  # files of a licence; licences.json has all
_NONE = "none"


def licences_in_short(inventory: Inventory) -> str:
    """Say in a line what is known of licences."""
    if not inventory.items:
        return "none"
    silent = _versions(i for i in inventory.items if i.about.licence.stated is Stated.NOWHERE)
    said = [f"{len({line.text for line in _by_licence(inventory)})} as they are stated"]
    said += [f"{silent} state none"] if silent else []
    if not inventory.policy.entries:
        said.append("none was said to be allowed or not")
    else:
        refused = _versions(inventory.refused)
        said.append(f"{refused} are not allowed" if refused else "all are allowed")
    return "; ".join(said)


def advisories_in_short(inventory: Inventory) -> str:
    """Say in a line what was looked for, and what was found."""
    known = inventory.advisories
    if inventory.unread:
        return "not looked at: the advisories cannot be used"
    if known is None:
        return "not looked at"
    found = _versions(inventory.found)
    newest = f", the newest of {known.newest}" if known.newest else ""
    said = f"{found} of the versions here have some" if found else "none found"
    return f"{said}, of {known.count} in {known.shown}{newest}"


def advisories(result: Result) -> Element | None:
    """Return what is known of vulnerabilities, or that nobody has looked."""
    inventory = result.inventory
    if not inventory.items:
        return None
    parts: list[Content] = [element("p", f"{advisories_in_short(inventory).capitalize()}.")]
    if inventory.unread:
        parts.append(element("pre", inventory.unread))
    elif inventory.advisories is None:
        parts.append(
            element(
                "p",
                element("code", 'advisories = "osv/PyPI.zip"'),
                " in the table of pyproject.toml has them looked for, in a file, folder or archive "
                "of OSV's export.",
            )
        )
    if inventory.found:
        head = ["project", "version", "advisory", "severity", "fixed in", "for", "what"]
        parts.append(table("Advisories by project", head, _findings(inventory)))
    return section("advisories", "Known vulnerabilities", *parts)


def _findings(inventory: Inventory) -> list[Element]:
    lines = []
    for found, items in inventory.findings.items():
        one, cells = found.finding, sorted({cell for item in items for cell in item.cells})
        unclear = f"(perhaps not: {one.unclear})" if one.unclear else ""
        lines.append(
            row(
                link(found.project, f"project-{found.project}"),
                found.version,
                ", ".join([one.id, *one.aliases]),
                one.severity,
                ", ".join(one.fixed) or "none named",
                shortened(cells, len(inventory.held)),
                " ".join(filter(None, [one.summary, unclear])),
            )
        )
    return lines


def licences(result: Result) -> Element | None:
    """Return what is not allowed, and each licence as it is stated, with its projects."""
    inventory = result.inventory
    if not inventory.items:
        return None
    parts: list[Content] = [element("p", f"{licences_in_short(inventory).capitalize()}.")]
    if inventory.refused:
        lines = dict.fromkeys(
            f"{item.file.project} {item.file.version}: {item.refused}" for item in inventory.refused
        )
        parts += [element("h3", "Not allowed"), listed(lines)]
    parts.append(
        table(
            "Licences as metadata states them",
            ["licence", "stated by", "classifiers", "projects", "licence files"],
            (
                row(one.text, one.stated, one.classifiers, _projects(items), _files(items))
                for one, items in _by_licence(inventory).items()
            ),
            class_="licences",
        )
    )
    return section("licences", "Licences", *parts)


@dataclass(frozen=True)
class _Line:
    """A line of the table of licences.

    :param stated: by what
    """

    text: str
    stated: str
    classifiers: str


def _by_licence(inventory: Inventory) -> dict[_Line, list[Item]]:
    """Return the files of each licence; those that state none come first."""
    found: dict[_Line, list[Item]] = {}
    for item in inventory.items:
        licence = item.about.licence
        names = (text.rpartition("::")[2].strip() for text in licence.classifiers)
        text = "see classifiers" if licence.stated is Stated.CLASSIFIERS else licence.text
        stated = item.about.problem or licence.stated.value
        found.setdefault(_Line(text or _NONE, stated, "; ".join(names)), []).append(item)
    return dict(sorted(found.items(), key=lambda one: (one[0].text != _NONE, *_order(one[0]))))


def _order(line: _Line) -> tuple[str, str, str]:
    return line.text.lower(), line.stated, line.classifiers


def _projects(items: Iterable[Item]) -> Element:
    versions: dict[str, dict[str, None]] = {}
    for item in items:
        versions.setdefault(item.file.project, {})[item.file.version] = None
    made = element("td")
    for project, found in versions.items():
        made.append(link(f"{project} {', '.join(found)}", f"project-{project}"))
        made[-1].tail = "; "
    made[-1].tail = None
    return made


def _files(items: Iterable[Item]) -> str:
    names = sorted({name for item in items for name in item.about.licence.files})
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def _versions(items: Iterable[Item]) -> int:
    return len({(item.file.project, item.file.version) for item in items})


def elsewhere(result: Result) -> Element | None:
    """Return the files that are not from the index, and those that devpi does not hold."""
    items = result.inventory.items
    if not items:
        return None
    others = [item for item in items if item.file.origin is not Origin.INDEX]
    cold = [
        item
        for item in items
        if item.file.origin is Origin.INDEX and item.file.proof.warmth is not Warmth.WARM
    ]
    parts: list[Content] = []
    if others:
        parts.append(
            table(
                "Files that are not from the index",
                ["file", "where it comes from"],
                (row(item.name, f"it {item.file.origin.told}") for item in others),
            )
        )
    if cold:
        parts.append(
            table(
                "Files that devpi is not shown to hold",
                ["file", "what is known"],
                (row(item.name, str(item.file.proof)) for item in cold),
            )
        )
    if not parts:
        parts.append(element("p", "Every file is from the index, and devpi holds it."))
    return section("origin", "Not from the index, or not held by devpi", *parts)

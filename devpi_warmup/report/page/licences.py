"""Licences, as metadata states them, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.inputs.licences import KEY
from devpi_warmup.inventory.licences import allowing
from devpi_warmup.report.page.elements import element, listed, row, section, table
from devpi_warmup.report.page.naming import count, projects, releases, to_project
from devpi_warmup.wheelhouse.about import Stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Inventory, Item
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result

_NAMED = 3  # files of a licence; the others are folded
_NONE = "none"


def in_short(inventory: Inventory) -> str:
    """Say in a line what is known of licences."""
    if not inventory.items:
        return "None"
    silent = releases(i for i in inventory.items if i.about.licence.stated is Stated.NOWHERE)
    texts = {line.text for line in _by_licence(inventory)} - {_NONE}
    said = [count(len(texts), "different statement")]
    said += [f"{count(silent, 'version')} without any"] if silent else []
    if not inventory.policy.entries:
        return f"{'; '.join(said)}; nobody has said what is allowed"
    refused = count(releases(inventory.refused), "version")
    said.append(f"{refused} not allowed" if inventory.refused else "all are allowed")
    return "; ".join(said)


def licences(result: Result) -> Element | None:
    """Return what is not allowed, and each licence as it is stated, with its projects."""
    inventory = result.inventory
    if not inventory.items:
        return None
    parts: list[Content] = [element("p", f"{in_short(inventory)}.")]
    parts += [*_rule(inventory)]
    if inventory.refused:
        parts += [element("h3", "Not allowed"), listed(_refused(inventory.refused))]
    named = bool(inventory.policy.entries)
    parts.append(
        table(
            "Licences as metadata states them",
            [
                *("licence", "stated by", "classifiers"),
                *(["allowed"] if named else []),
                *("projects", "licence files that metadata names"),
            ],
            (_line(one, items, named=named) for one, items in _by_licence(inventory).items()),
            class_="licences",
        )
    )
    return section("licences", "Licences", *parts)


def _rule(inventory: Inventory) -> Iterator[Element]:
    if not inventory.policy.entries:
        return
    strict = inventory.policy.required
    effect = "fails the run" if strict else "is named here, and fails nothing: that takes "
    yield element(
        "p",
        f"{KEY} in pyproject.toml: ",
        element("code", ", ".join(inventory.policy.entries)),
        f". Of License-Expression an AND needs both sides and an OR one; where there is none, "
        "License must be among them, and every classifier that speaks of another licence; where "
        f"there is neither, or a whole text, every classifier. What is not {effect}",
        None if strict else element("code", "require-licences = true"),
        ".",
    )


def _refused(items: Iterable[Item]) -> Iterator[Element]:
    said: dict[str, tuple[Item, str]] = {}
    for item in items:
        text = f" {item.file.version}: {item.verdict.refused}. "
        said.setdefault(f"{item.file.project}{text}", (item, text))
    for item, text in said.values():
        project = item.file.project
        how = allowing(project, item.verdict)
        yield element("span", to_project(project), text, element("span", how, class_="who"))


@dataclass(frozen=True)
class _Line:
    """A line of the table of licences.

    :param stated: by what
    :param allowed: by what it is, or "no"
    """

    text: str
    stated: str
    classifiers: str
    allowed: str


def _line(one: _Line, items: list[Item], *, named: bool) -> Element:
    allowed = [element("td", one.allowed, class_="bad" if one.allowed == "no" else None)]
    files = sorted({name for item in items for name in item.about.licence.files})
    return row(
        *(one.text, one.stated, one.classifiers),
        *(allowed if named else []),
        *(projects(items), _files(files)),
    )


def _files(names: list[str]) -> Content:
    if len(names) <= _NAMED:
        return ", ".join(names) or _NONE
    summary = element("summary", f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more")
    return element("td", element("details", summary, ", ".join(names[_NAMED:])))


def _by_licence(inventory: Inventory) -> dict[_Line, list[Item]]:
    """Return the files of each licence; those that state none come first."""
    found: dict[_Line, list[Item]] = {}
    for item in inventory.items:
        licence, verdict = item.about.licence, item.verdict
        names = (text.rpartition("::")[2].strip() for text in licence.classifiers)
        text = "see classifiers" if licence.stated is Stated.CLASSIFIERS else licence.text
        stated = item.about.problem or licence.stated.value
        allowed = "no" if verdict.refused else f"by {verdict.by}"
        line = _Line(text or _NONE, stated, "; ".join(names), allowed)
        found.setdefault(line, []).append(item)
    return dict(sorted(found.items(), key=lambda one: _order(one[0])))


def _order(line: _Line) -> tuple[bool, bool, str, str, str]:
    return (
        line.allowed != "no",
        line.text != _NONE,
        line.text.lower(),
        line.stated,
        line.classifiers,
    )

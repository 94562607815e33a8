"""The whole page: what comes in which order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import __version__
from devpi_warmup.console import size_of
from devpi_warmup.report.page import (
    advisories,
    cells,
    changes,
    files,
    install,
    licences,
    origins,
    sizes,
    versions,
)
from devpi_warmup.report.page.elements import document, element, link, listed, pairs
from devpi_warmup.report.page.naming import count, releases
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, TO_BUILD
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Warmth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result

_STYLE = Path(__file__).with_name("report.css")


def stylesheet(_: Result) -> str:
    """Return the rules of the page, for servers that allow no others than linked ones."""
    return _STYLE.read_text(encoding="utf-8")


def page(result: Result) -> str:
    """Return the page of a result."""
    parts = [
        cells.matrix(result),
        changes.changes(result),
        advisories.advisories(result),
        licences.licences(result),
        origins.origins(result),
        versions.versions(result),
        files.files(result),
        sizes.sizes(result),
        install.install(result),
    ]
    shown = [part for part in parts if part is not None]
    title = f"{result.folder}: what it holds, and for what"
    places = [link(part[0].text or "", part.get("id", "")) for part in shown]
    body = element(
        "body",
        element("a", "Skip to what it says", href="#main", class_="skip"),
        element("header", element("h1", title), _glance(result)),
        element("nav", listed(places), aria_label="Parts of this page"),
        element("main", *shown, id="main", tabindex=-1),
        element("footer", element("p", _written(result))),
    )
    return document(title, stylesheet(result), body)


def _written(result: Result) -> str:
    return (
        f"Written {result.written or 'at the end of a run'} by devpi-warmup {__version__} "
        f"({result.command}). report.json beside it says the same to programs."
    )


def _glance(result: Result) -> Element:
    kind = "bad" if result.problem else "fair" if result.others else "good"
    verdict = element("p", _verdict(result), class_=f"{kind} verdict")
    return element("div", verdict, _to_look_at(result), pairs(_facts(result)))


def _to_look_at(result: Result) -> Element | None:
    """Return what a person has to decide on, whether or not the run has failed for it."""
    inventory = result.inventory
    made = element("p", "For a person to decide: ", class_="fair verdict")
    for items, what, where in (
        (inventory.refused, "whose licence is not allowed", "licences"),
        (inventory.found, "with known vulnerabilities", "advisories"),
    ):
        if items:
            made.append(link(f"{count(releases(items), 'version')} {what}", where))
            made[-1].tail = "; "
    if not len(made):
        return None
    made[-1].tail = "."
    return made


def _verdict(result: Result) -> str:
    if result.problem:
        return f"Not ready: {result.problem}"
    if result.others:
        every = len(result.rows) + len(result.others)
        return (
            f"Complete for what was selected: {len(result.rows)} of {every} {result.counted}. "
            f"Not looked at: {', '.join(result.others)}."
        )
    if any(row.state == TO_BUILD for row in result.rows):
        return (
            "Complete: pip accepts every lock offline, for its target; what carry names is to be "
            "built inside."
        )
    return (
        "Complete: pip accepts every lock offline, for its target, and every file is what its lock "
        "names. (verify installs it on a real machine.)"
    )


def _facts(result: Result) -> Iterator[tuple[str, Content]]:
    rows, inventory = result.rows, result.inventory
    states = ", ".join(
        f"{number} {state}"
        for state in (COVERED, TO_BUILD, MISSING)
        if (number := sum(row.state == state for row in rows))
    )
    yield result.counted.capitalize(), states or "none"
    projects = len({item.file.project for item in inventory.items})
    held = f"{count(len(inventory.items), 'file')} of {count(projects, 'project')}"
    held += f", {size_of(inventory.size)}"
    yield "Files", held
    yield "Index", ", ".join([result.manifest.index or "none", *_bases(result)])
    yield "Held by devpi", _warm(result)
    pips = {result.manifest.cells[h.cell.id].pip for h in inventory.held} - {""}
    yield "Judged by", f"pip {', '.join(sorted(pips))}, offline" if pips else "nobody yet"
    yield "Licences", licences.in_short(inventory)
    yield "Known vulnerabilities", advisories.in_short(inventory)
    if result.sha256:
        yield "Sums", f"in manifest.json, whose sha256 is {result.sha256}"
    yield "Report written", result.written or "at the end of a run"


def _bases(result: Result) -> list[str]:
    names = result.manifest.bases
    return [f"its bases: {', '.join(names)}"] if names else []


def _warm(result: Result) -> str:
    indexed = [i for i in result.inventory.items if i.file.origin is Origin.INDEX]
    warm = sum(item.file.proof.warmth is Warmth.WARM for item in indexed)
    others = len(result.inventory.items) - len(indexed)
    more = f"; {count(others, 'file')} not from the index" if others else ""
    return f"{warm} of the {count(len(indexed), 'file')} from the index{more}"

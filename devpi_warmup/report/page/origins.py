"""What no index has, how it came to be, and what devpi is not shown to hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from devpi_warmup.report.page.elements import element, row, section, table
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Warmth

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from devpi_warmup.inventory.contents import Item
    from devpi_warmup.report.page.elements import Content
    from devpi_warmup.report.result import Result
    from devpi_warmup.wheelhouse.build_record import BuildRecord


def origins(result: Result) -> Element | None:
    """Return the files that are not from the index, and those that devpi does not hold."""
    items = result.inventory.items
    if not items:
        return None
    others = [item for item in items if item.file.origin is not Origin.INDEX]
    indexed = [item for item in items if item.file.origin is Origin.INDEX]
    cold = [item for item in indexed if item.file.proof.warmth is not Warmth.WARM]
    parts: list[Content] = [
        table(
            "Files that are not from the index",
            ["file", "where it comes from"],
            (row(item.name, _told(item)) for item in others),
        )
        if others
        else element("p", "Every file is from the index."),
        table(
            "Files that devpi is not shown to hold",
            ["file", "what is known"],
            (row(item.name, str(item.file.proof)) for item in cold),
        )
        if cold
        else element("p", "Of those from the index, devpi is shown to hold every one."),
    ]
    return section("origin", "Not from the index, or not held by devpi", *parts)


def _told(item: Item) -> str:
    built = item.file.built
    return f"It {item.file.origin.told}." if built is None else _built(built)


def _built(built: BuildRecord) -> str:
    took = time.strftime("%Y-%m-%d", time.gmtime(built.epoch))
    with_ = ", ".join(built.requires) or "nothing else"
    return (
        f"It was built of {built.sdist} (sha256 {built.sha256}) on the machine that gathered, by "
        f"pip {built.pip} on Python {built.python}, {built.platform}, with {built.backend} "
        f"({with_}); network kept away by {built.isolation}; the build took {took} for now."
    )

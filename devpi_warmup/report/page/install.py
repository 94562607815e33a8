"""How it is installed inside: the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup.report.page.elements import element, section
from devpi_warmup.wheelhouse.lock import install_command, uv_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from devpi_warmup.report.result import Result


def install(result: Result) -> Element | None:
    """Return the commands of each cell, for pip and, where nothing is built, for uv."""
    held = result.inventory.held
    if not held:
        return None
    return section(
        "install",
        "How it is installed inside",
        element(
            "p",
            f"In the folder that holds {result.folder}/, in an environment of the Python of the "
            "target (on Windows: py -3.13 -m venv); the head of each lock says which pip is new "
            "enough.",
        ),
        *_commands(result),
    )


def _commands(result: Result) -> Iterator[Element]:
    for held in result.inventory.held:
        cell, id_ = held.cell, held.cell.id
        to_build = bool(result.manifest.cells[id_].to_build)
        lines = [install_command(id_, result.folder, to_build=to_build)]
        lines += [] if to_build else [uv_command(id_, result.folder)]
        summary = element("summary", f"{id_}: Python {cell.target.python}, {cell.target.platform}")
        yield element(
            "details", summary, *(element("pre", element("code", line)) for line in lines)
        )

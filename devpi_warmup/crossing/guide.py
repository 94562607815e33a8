"""The page that a bundle brings, in both languages; it is about a state, however it is carried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from devpi_warmup.crossing.bootstrap import Step

PAGES = ("README.md", "README.ko.md")
_STEPS = "<!-- steps -->\n"


def pages(steps: Iterable[Step]) -> dict[str, str]:
    """Return the text of each page, by its name.

    :param steps: what is typed inside, for each kind of machine
    """
    told = _told(tuple(steps))
    folder = Path(__file__).parent / "pages"
    return {n: (folder / n).read_text(encoding="utf-8").replace(_STEPS, told) for n in PAGES}


def _told(steps: Sequence[Step]) -> str:
    blocks = []
    for step in steps:
        kind = "text" if step.system == "Windows" else "sh"
        shells = " (PowerShell, cmd)" if step.system == "Windows" else ""
        lines = "\n".join(step.lines)
        title = f"`{step.cell}`: {step.system} {step.machine}, Python {step.python}{shells}"
        blocks.append(f"{title}\n\n```{kind}\n{lines}\n```\n")
    return "\n".join(blocks)

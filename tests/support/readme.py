"""The blocks of the README, and who runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(
    r"(?:<!-- (?P<who>[^>]*) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One block: what is said of who runs it, its language, its lines."""

    who: str
    kind: str
    text: str


def blocks(name: str = "README.md") -> list[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(m["who"] or "", m["kind"], m["text"]) for m in _BLOCK.finditer(text)]


def run_here(kind: str) -> list[str]:
    """The blocks of a language that test_readme and test_story run."""
    who = {"run by test_readme", "run by test_story"}
    return [b.text for b in blocks() if b.who in who and b.kind == kind]

"""Text that others have written, made harmless for those who read it: terminals and CI systems."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What runners of GitHub obey at the beginning of a line, blanks aside, and its older form anywhere
# (actions/runner, src/Runner.Common/ActionCommand.cs).
_COMMAND = re.compile(r"^(\s*)::", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##\[")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """Return a text without control characters, in which no line is a command."""
    text = _CONTROL.sub("?", text.replace("\r\n", "\n"))
    return _OLD_COMMAND.sub("## [", _COMMAND.sub(r"\1: :", text))


def one_line(text: str, longest: int) -> str:
    """Return a text as one line, cut where it is longer than so many characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def for_xml(text: str) -> str:
    """Return a text without what XML 1.0 does not allow; its writer escapes the rest."""
    return _NOT_XML.sub("?", text)

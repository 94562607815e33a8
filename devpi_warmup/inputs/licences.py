"""``licences-allowed``: SPDX expressions, what files state word for word, and projects."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import InvalidName, canonicalize_name

from devpi_warmup.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "licences-allowed"
PROJECT = "project:"
_LICENCE = re.compile(r"(?<![^\s(])(?!(?:AND|OR)\b)[^\s()]+(?: WITH [^\s()]+)?")
_TOKEN = re.compile(r"\(|\)|[^\s()]+")


@dataclass(frozen=True)
class Policy:
    """What a user lets in.

    :param entries: as the user wrote them; where there are none, everything is let in
    :param expressions: SPDX licences and expressions, as packaging writes them
    :param texts: of classifiers and of what ``License`` says, without case
    :param projects: whose licence was looked at by a person
    :param required: whether any other fails the run
    """

    entries: tuple[str, ...] = ()
    expressions: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    required: bool = False

    def admits(self, text: str) -> bool:
        """Whether a licence is allowed that is stated so: as an SPDX expression, or word for word.

        Nothing is guessed: "BSD" is no SPDX licence.
        """
        if text.casefold() in self.texts:
            return True
        try:
            expression = str(canonicalize_license_expression(text))
        except InvalidLicenseExpression:
            return False
        return expression in self.expressions or _holds(expression, self.expressions)

    def lacking(self, text: str) -> tuple[str, ...]:
        """Return which licences of an expression are not allowed; a text that is none is itself."""
        try:
            expression = str(canonicalize_license_expression(text))
        except InvalidLicenseExpression:
            return (text,)
        licences = dict.fromkeys(_LICENCE.findall(expression))
        return tuple(licence for licence in licences if licence not in self.expressions)


def read_policy(
    entries: Iterable[str], problems: list[Problem], *, required: bool = False
) -> Policy:
    """Read what is allowed.

    :param problems: takes the entries that mean nothing
    :param required: whether any other fails the run
    """
    written = tuple(entry.strip() for entry in entries)
    expressions, texts, projects = set[str](), set[str](), set[str]()
    for entry in written:
        if entry.startswith(PROJECT):
            try:
                name = canonicalize_name(entry.removeprefix(PROJECT).strip(), validate=True)
                projects.add(str(name))
            except InvalidName:
                problems.append(Problem(f"{entry!r} names no project", KEY, '"project:colorama"'))
            continue
        texts.add(entry.casefold())
        with suppress(InvalidLicenseExpression):
            expressions.add(str(canonicalize_license_expression(entry)))
    return Policy(written, frozenset(expressions), frozenset(texts), frozenset(projects), required)


def _holds(expression: str, allowed: frozenset[str]) -> bool:
    """Whether an expression can be kept by allowed licences alone (SPDX 2.3, annex D).

    :param expression: as packaging writes it: operators in capitals, brackets paired
    """
    tokens = _TOKEN.findall(expression)

    def either() -> bool:
        found = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            found = both() or found
        return found

    def both() -> bool:
        found = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            found = one() and found
        return found

    def one() -> bool:
        licence = tokens.pop(0)
        if licence == "(":
            found = either()
            tokens.pop(0)
            return found
        if tokens and tokens[0] == "WITH":
            licence = f"{licence} {tokens.pop(0)} {tokens.pop(0)}"
        return licence in allowed

    return either()

"""``licences-allowed``: SPDX expressions, what files state word for word, and projects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from packaging.utils import InvalidName, canonicalize_name

from devpi_warmup.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "licences-allowed"
PROJECT = "project:"
_APPROVED = "License :: OSI Approved"  # by itself it names none
_FAMILY = re.compile(r"(?<=.)[^A-Za-z]")
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
        expression = _canonical(text)
        if not expression:
            return False
        return expression in self.expressions or _holds(expression, self.expressions)

    def contradicted(self, text: str, classifiers: Iterable[str]) -> tuple[str, ...]:
        """Return the classifiers that speak of another licence than a text, and are not allowed.

        :param text: an SPDX expression, or something else: then each classifier does
        """
        expression = _canonical(text)
        families = {_FAMILY.split(one)[0] for one in _LICENCE.findall(expression)}
        families |= {"Python"} if "PSF" in families else set()
        names = "|".join(map(re.escape, sorted(families)))
        alike = re.compile(rf"(?<![A-Za-z])({names})", re.IGNORECASE)
        return tuple(
            one
            for one in classifiers
            if one != _APPROVED
            and not (families and alike.search(one.rpartition("::")[2]))
            and not self.admits(one)
        )

    def lacking(self, text: str) -> tuple[str, ...]:
        """Return which licences of an expression are not allowed; a text that is none is itself."""
        expression = _canonical(text)
        if not expression:
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
    if written and not _known():
        hint = "pip install 'packaging>=24.2', where nox runs"
        problems.append(Problem("packaging is too old to know licences", KEY, hint))
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
        if expression := _canonical(entry):
            expressions.add(expression)
    return Policy(written, frozenset(expressions), frozenset(texts), frozenset(projects), required)


def _known() -> bool:
    """Whether the packaging that is here knows licences; inside the gap it may be older."""
    return find_spec("packaging.licenses") is not None


def _canonical(text: str) -> str:
    """Return an SPDX expression as packaging writes it; "" where a text is none."""
    if not _known():
        return ""
    # Here and not above: an older packaging must not stop the sessions that need none of it.
    from packaging.licenses import (  # noqa: PLC0415
        InvalidLicenseExpression,
        canonicalize_license_expression,
    )

    try:
        expression = str(canonicalize_license_expression(text))
        _holds(expression, frozenset())  # releases of packaging before 26 let "() OR MIT" pass
    except (InvalidLicenseExpression, IndexError, RecursionError):
        return ""
    return expression


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

"""``licences-allowed``: nothing is guessed, and nothing that is not named is let in."""

from __future__ import annotations

import pytest

from devpi_warmup.errors import Problem
from devpi_warmup.inputs import licences
from devpi_warmup.inputs.licences import Policy, read_policy
from devpi_warmup.inventory.licences import allowing, judge
from devpi_warmup.wheelhouse.about import About, Licence, Stated

MIT = "License :: OSI Approved :: MIT License"
BSD = "License :: OSI Approved :: BSD License"
GPL = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
LGPL = "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"
TEXT = Licence(Stated.TEXT, "Copyright … (a whole text)", False, (BSD,))


def policy(*entries: str) -> Policy:
    return read_policy(entries, [])


@pytest.mark.parametrize(
    ("entries", "text", "admitted"),
    [
        (("MIT",), "mit", True),
        (("MIT",), "MIT-0", False),
        (("MIT",), "Apache-2.0 OR MIT", True),
        (("MIT",), "Apache-2.0 AND MIT", False),
        (("MIT", "Apache-2.0"), "Apache-2.0 AND MIT", True),
        (("MIT",), "(MIT OR GPL-2.0-only) AND (ISC OR MIT)", True),
        (("MIT",), "MIT AND (ISC OR GPL-2.0-only)", False),
        (("MIT",), "ISC OR MIT AND ISC", False),
        (("GPL-2.0-only",), "GPL-2.0-only WITH Classpath-exception-2.0", False),
        (
            ("GPL-2.0-only WITH Classpath-exception-2.0",),
            "gpl-2.0-only with classpath-exception-2.0",
            True,
        ),
        (("GPL-2.0-only WITH Classpath-exception-2.0",), "GPL-2.0-only", False),
        (("Apache-2.0 AND MIT",), "apache-2.0 and mit", True),
        (("Apache-2.0 AND MIT",), "MIT", False),
        (("BSD",), "bsd", True),
        (("BSD-3-Clause",), "BSD", False),
        (("LicenseRef-Ours",), "LicenseRef-Ours OR GPL-3.0-only", True),
    ],
)
def test_expressions_hold_as_spdx_has_it(
    entries: tuple[str, ...], text: str, *, admitted: bool
) -> None:
    assert policy(*entries).admits(text) is admitted


@pytest.mark.parametrize(
    ("entries", "licence", "why"),
    [
        ((), Licence(Stated.NOWHERE), ""),
        (("MIT",), Licence(Stated.NOWHERE), "it states no licence"),
        (("project: Some_App",), Licence(Stated.NOWHERE), ""),
        (("MIT",), Licence(Stated.CLASSIFIERS, MIT, True, (MIT,)), f"{MIT} is not allowed"),
        ((MIT,), Licence(Stated.CLASSIFIERS, MIT, True, (MIT,)), ""),
        ((MIT,), Licence(Stated.CLASSIFIERS, f"{MIT}; {BSD}", True, (MIT, BSD)), f"{BSD} is not allowed"),
        ((MIT,), Licence(Stated.EXPRESSION, "GPL-3.0-only", True, (MIT,)), "GPL-3.0-only is not allowed"),
        ((BSD,), TEXT, ""),
        (("Copyright … (a whole text)",), TEXT, f"{BSD} is not allowed"),
        (("BSD",), Licence(Stated.TEXT, "BSD", True, (MIT,)), f"BSD, and by a classifier: {MIT} is not allowed"),
        (("BSD", MIT), Licence(Stated.TEXT, "BSD", True, (MIT,)), ""),
        (("MIT",), Licence(Stated.TEXT, "MIT", True, (MIT, "License :: OSI Approved")), ""),
        (("MIT",), Licence(Stated.TEXT, "MIT", True, (GPL,)), f"MIT, and by a classifier: {GPL} is not allowed"),
        (("GPL-3.0-only",), Licence(Stated.TEXT, "GPL-3.0-only", True, (GPL,)), ""),
        (("GPL-3.0-only",), Licence(Stated.TEXT, "GPL-3.0-only", True, (LGPL,)), f"GPL-3.0-only, and by a classifier: {LGPL} is not allowed"),
        ((MIT,), Licence(Stated.TEXT, "GPL-3.0-only", True, (MIT,)), "GPL-3.0-only is not allowed"),
        (("MIT",), Licence(Stated.TEXT, "GPL", True, (GPL,)), f"GPL: GPL, {GPL} are not allowed"),
        (("PSF-2.0",), Licence(Stated.TEXT, "PSF-2.0", True, ("License :: OSI Approved :: Python Software Foundation License",)), ""),
    ],
)  # fmt: skip
def test_why_a_licence_is_not_let_in(entries: tuple[str, ...], licence: Licence, why: str) -> None:
    assert judge(policy(*entries), "some-app", About(licence)).refused == why


@pytest.mark.parametrize(
    ("entries", "licence", "by"),
    [
        (("MIT",), Licence(Stated.EXPRESSION, "MIT OR ISC"), "License-Expression"),
        (("MIT",), Licence(Stated.TEXT, "mit"), "License"),
        ((BSD,), TEXT, "classifiers"),
        (("project:some-app",), Licence(Stated.NOWHERE), "project:some-app"),
        ((), Licence(Stated.NOWHERE), ""),
    ],
)
def test_by_what_a_licence_is_let_in(entries: tuple[str, ...], licence: Licence, by: str) -> None:
    assert judge(policy(*entries), "some-app", About(licence)).by == by


@pytest.mark.parametrize(
    ("licence", "said", "how"),
    [
        (
            Licence(Stated.EXPRESSION, "MIT AND (ISC OR Zlib WITH GCC-exception-3.1)"),
            "MIT AND (ISC OR Zlib WITH GCC-exception-3.1): ISC, Zlib WITH GCC-exception-3.1 are not allowed",
            '"ISC", "Zlib WITH GCC-exception-3.1" in licences-allowed would allow it, or',
        ),
        (
            Licence(Stated.TEXT, "Copyright … (a whole text)", False),
            "Copyright … (a whole text) has to be read",
            '"project:some"',
        ),
        (Licence(Stated.NOWHERE), "it states no licence", '"project:some" in licences-allowed'),
    ],
)
def test_what_to_write_for_it_to_be_allowed(licence: Licence, said: str, how: str) -> None:
    verdict = judge(policy("MIT"), "some", About(licence))
    assert verdict.refused == said
    assert allowing("some", verdict).startswith(how)
    allowed = policy("MIT", *(verdict.wanted or ["project:some"]))
    assert judge(allowed, "some", About(licence)).refused == ""


def test_what_cannot_be_read_is_not_let_in() -> None:
    broken = About(problem="its metadata cannot be read: x")
    assert judge(policy("MIT"), "some", broken).refused == broken.problem
    assert judge(policy(), "some", broken).refused == ""


def test_a_packaging_that_knows_no_licences_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "_known", lambda: False)
    problems: list[Problem] = []
    assert not read_policy(["MIT"], problems).admits("MIT OR ISC")
    assert [p.message for p in problems] == ["packaging is too old to know licences"]
    assert not read_policy([], problems[:0]).entries


def test_a_project_without_a_name_is_a_problem() -> None:
    problems: list[Problem] = []
    read_policy(["project: two words"], problems)
    assert [p.message for p in problems] == ["'project: two words' names no project"]

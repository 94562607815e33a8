"""``licences-allowed``: nothing is guessed, and nothing that is not named is let in."""

from __future__ import annotations

import pytest

from devpi_warmup.errors import Problem
from devpi_warmup.inputs.licences import Policy, read_policy
from devpi_warmup.inventory.licences import why_not
from devpi_warmup.wheelhouse.about import About, Licence, Stated

MIT = "License :: OSI Approved :: MIT License"
BSD = "License :: OSI Approved :: BSD License"
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
        ((MIT,), Licence(Stated.CLASSIFIERS, f"{MIT}; {BSD}", True, (MIT, BSD)), f"{MIT}; {BSD} is not allowed"),
        ((MIT,), Licence(Stated.EXPRESSION, "GPL-3.0-only", True, (MIT,)), "GPL-3.0-only is not allowed"),
        ((BSD,), TEXT, ""),
        (("Copyright … (a whole text)",), TEXT, f"{TEXT.text} is not allowed"),
        (("BSD",), Licence(Stated.TEXT, "BSD", True, (MIT,)), ""),
    ],
)  # fmt: skip
def test_why_a_licence_is_not_let_in(entries: tuple[str, ...], licence: Licence, why: str) -> None:
    assert why_not(policy(*entries), "some-app", About(licence)) == why


def test_what_cannot_be_read_is_not_let_in() -> None:
    broken = About(problem="its metadata cannot be read: x")
    assert why_not(policy("MIT"), "some", broken) == broken.problem
    assert why_not(policy(), "some", broken) == ""


def test_a_project_without_a_name_is_a_problem() -> None:
    problems: list[Problem] = []
    read_policy(["project: two words"], problems)
    assert [p.message for p in problems] == ["'project: two words' names no project"]

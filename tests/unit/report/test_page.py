"""``index.html``: text is text, every link leads somewhere, and it stays small."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from results import cells, made_up

from devpi_warmup.inventory.contents import Inventory
from devpi_warmup.report.page.document import page, stylesheet
from devpi_warmup.report.page.naming import which
from devpi_warmup.report.result import Result
from devpi_warmup.report.table import Row
from devpi_warmup.wheelhouse.manifest import COVERED, Manifest

HOSTILE = "</td><script>alert(1)</script><img src=https://evil.example.com/x onerror=x> \x00\x1b[2J \ud800 한국어"
_VOID = {"meta", "link"}


class Read(HTMLParser):
    """What a browser sees: tags in order, ids, links, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open += [] if tag in _VOID else [tag]
        for name, value in attrs:
            self.attributes.add(name)
            self.ids += [value or ""] if name == "id" else []
            self.links += [value or ""] if name in {"href", "src"} else []

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self._open[-1:] != ["style"] else ""


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("count", [1, 9, 60])
def test_every_link_leads_to_a_part_of_the_page(count: int, *, bad: bool) -> None:
    read = Read(page(made_up(count, 12, bad=bad)))
    assert len(read.ids) == len({*read.ids})
    assert read.links.pop(0) == "report.css"
    assert {link.removeprefix("#") for link in read.links} <= {*read.ids}
    assert not read.attributes & {"style", "onclick", "src"}  # a policy of Jenkins drops them
    assert "script" not in read.tags
    assert read.tags.count("h1") == 1


def test_foreign_text_is_text() -> None:
    result = made_up(3, 3, summary=HOSTILE)
    rows = (Row(result.rows[0].cell, "missing", whole=HOSTILE), *result.rows[1:])
    text = page(replace(result, rows=rows, problem=HOSTILE, folder=HOSTILE, command=HOSTILE))
    read = Read(text)
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert not set(text) & {"\x00", "\x1b"}
    assert "한국어" in read.text
    text.encode()


@pytest.mark.parametrize(("count", "projects"), [(9, 600), (60, 300), (120, 600)])
def test_it_stays_under_three_megabytes(count: int, projects: int) -> None:
    assert len(page(made_up(count, projects, bad=count != 9)).encode()) < 3_000_000


def test_states_are_words_and_reasons_are_said_once() -> None:
    result = made_up(60, 5, bad=True)
    read = Read(page(result))
    assert "missing" in read.text
    assert "to build, not warm, from 3.10.0 *" in read.text
    assert read.text.count("six>=2, wanted by requirements/main.txt:1") == 1
    assert f"#cell-{result.rows[0].cell}" in read.links


def test_what_nobody_has_looked_at_is_said() -> None:
    result = made_up(3, 8)
    assert "Known vulnerabilitiesNot looked at" in Read(page(result)).text
    known = made_up(3, 8, bad=True).inventory.advisories
    looked = replace(result.inventory, advisories=known)
    assert (
        "None known, by osv/PyPI.zip: 12345 advisories about Python"
        in Read(page(replace(result, inventory=looked))).text
    )
    unread = replace(result.inventory, unread="osv/a.json: broken")
    text = Read(page(replace(result, inventory=unread))).text
    assert "Not looked at: the advisories cannot be used" in text
    assert "osv/a.json: broken" in text


def test_findings_licences_and_origins_are_named() -> None:
    text = Read(page(made_up(9, 12, bad=True))).text
    for said in (
        *("GHSA-1, CVE-2026-1", "HIGH", "GPL-3.0-or-later is not allowed", "it states no licence"),
        *(
            "It was built here",
            "not warm: it is not on its disk",
            "1.9 stated MIT (License), and 2.1.1 states BSD (License)",
        ),
        *("1 new file (55.0 kB)", "last/manifest.json", "root/pypi (mirror)", "all 7"),
    ):
        assert said in text, said


def test_a_person_is_told_what_to_decide() -> None:
    read = Read(page(made_up(9, 12, bad=True)))
    said = "For a person to decide: 8 versions whose licence is not allowed; 1 version with known"
    assert said in read.text
    assert '"GPL-3.0-or-later" in licences-allowed would allow it, or' in read.text
    assert "For a person to decide" not in Read(page(made_up(9, 12))).text


@pytest.mark.parametrize(
    ("some", "said"),
    [
        (range(40), "all 40"),
        ([0], "cp310-manylinux_2_28_x86_64"),
        (range(8), "3.10 on every platform"),
        (range(17), "3.10, 3.11 on every platform, cp312-manylinux_2_28_x86_64"),
        (range(2, 40, 8), "win_amd64 of every Python"),
        (range(0, 40, 3), "14 of 40"),
    ],
)
def test_cells_are_named_in_few_words(some: list[int], said: str) -> None:
    every = cells(40)
    assert which([every[n].id for n in some], every) == said


def test_versions_of_neighbours_are_joined() -> None:
    text = page(made_up(9, 5))
    (row,) = re.findall(r'<tr><th scope="row"><a href="#project-project-000">.*?</tr>', text)
    cells = re.findall(r"<td[^>]*>[^<]*", row)
    assert cells == ['<td class="old" colspan="8">1.0', "<td>2.0.1"]


def test_a_run_that_came_to_nothing_says_so() -> None:
    read = Read(page(Result("warmup", (), "the configuration is wrong", "targets", Manifest())))
    assert "Not ready: the configuration is wrong" in read.text
    assert "Complete" not in read.text
    empty = Result("report", (Row("cp313-win32", COVERED),), "", "targets", Manifest())
    assert "Complete" in Read(page(replace(empty, inventory=Inventory()))).text


def test_the_stylesheet_beside_it_is_the_one_within() -> None:
    result = made_up(1, 1)
    assert stylesheet(result) in page(result)
    assert "url(" not in stylesheet(result)

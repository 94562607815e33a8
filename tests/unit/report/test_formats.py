"""Foreign text in every format: it never starts a line, breaks XML, or exceeds a limit."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from projects import ROOT
from results import made_up

from devpi_warmup import console
from devpi_warmup.foreign import plain
from devpi_warmup.report import publishing
from devpi_warmup.report.annotations import commands
from devpi_warmup.report.as_json import as_json, licences
from devpi_warmup.report.junit import junit
from devpi_warmup.report.result import Result
from devpi_warmup.report.summary import summary
from devpi_warmup.report.table import Row
from devpi_warmup.wheelhouse.changes import Change
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, Manifest

HOSTILE = (
    "six: bad\n::add-mask::x\n  ::stop-commands::y\r::error::z ##[add-mask]q\x00\x1b[2J "
    "]]> <script>alert(1)</script> | `code` @somebody https://evil.example.com \ud800 \ufffe 한국어"
)


def result(*rows: Row, changes: dict[str, tuple[Change, ...]] | None = None) -> Result:
    problem = "" if all(row.good for row in rows) else "missing"
    return Result("warmup", rows, problem, "targets", Manifest(index="i"), changes or {})


def missing(number: int, reason: str) -> Row:
    return Row(f"cp313-linux_{number}", MISSING, reason=reason.splitlines()[0], whole=reason)


def test_junit_is_well_formed_whatever_it_quotes() -> None:
    text = junit(result(missing(1, HOSTILE), Row("cp313-win32", COVERED, notes=("\x07 note",))))
    suite = ET.fromstring(text.encode())[0]
    assert suite.attrib == {
        "name": "warmup",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    bad, good = suite
    assert (bad.attrib["classname"], bad.attrib["name"]) == ("warmup", "cp313-linux_1")
    assert bad[0].attrib["message"] == "six: bad"
    assert "한국어" in (bad[0].text or "")
    assert good[0].text == "? note"


@pytest.mark.parametrize("text", [HOSTILE, "a\r\n::b", "\u2028::x", "\t ::x", "\x85::x"])
def test_no_line_is_a_command(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.say(text.encode("utf-8", "replace").decode())
    said = [plain(text), capsys.readouterr().err]
    for one in said:
        assert "##[" not in one
        for line in one.splitlines():
            assert not line.lstrip().startswith("::")
        assert not set(one) & {"\r", "\x00", "\x1b"}


def test_an_annotation_is_one_line_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.txt").touch()
    reason = f"six: no\n   six, wanted by ../secret.txt:1 and requirements/main.txt:12\n{HOSTILE}"
    (line,) = commands(result(missing(1, reason), missing(2, reason)), tmp_path).splitlines()
    begin = "::error file=requirements/main.txt,line=12,title=cp313-linux_1 and 1 more::six: no%0A"
    assert line.startswith(begin)
    assert commands(result(Row("cp313-win32", COVERED)), tmp_path) == ""


def test_more_errors_than_are_shown_are_counted(tmp_path: Path) -> None:
    said = commands(result(*(missing(n, f"reason {n}") for n in range(30))), tmp_path)
    lines = said.splitlines()
    assert len(lines) == 10
    assert lines[-1].endswith("21 more reasons stand in the log and in the reports")


def test_a_summary_holds_text_and_fits() -> None:
    page = summary(result(missing(1, HOSTILE)))
    (row,) = [line for line in page.splitlines() if line.startswith("| cp313")]
    assert row.count("|") == 7
    for mark in ("<script>", "`code`", "@somebody", "https://"):
        assert mark not in page
    long = [missing(n, f"{n} {HOSTILE}" * 9) for n in range(9000)]
    page = summary(result(*long))
    assert len(page.encode("utf-8", "replace")) < 1 << 20
    assert page.endswith("The rest stands in the log and in report.json.\n")


def test_a_summary_tells_changes() -> None:
    changes = {"cp313-win32": (Change("six", "1.0", "2.0"), Change("new", "", "1"))}
    page = summary(result(Row("cp313-win32", COVERED), changes=changes))
    assert "- six 1.0 -&gt; 2.0 (up): cp313-win32" in page
    many = tuple(Change(f"p{n:03}", "", "1") for n in range(150))
    page = summary(result(Row("cp313-win32", COVERED), changes={"cp313-win32": many}))
    assert "- and 50 more" in page


def test_report_json_says_it_all() -> None:
    changes = {"b": (Change("six", "2.0", "1.0"),), "a": (Change("six", "2.0", "1.0"),)}
    table = json.loads(as_json(result(missing(1, "one\ntwo"), changes=changes)))
    assert table["targets"][0]["reason"] == "one\ntwo"
    assert (table["ok"], table["problem"]) == (False, "missing")
    assert table["changes"] == [
        {"project": "six", "kind": "down", "before": "2.0", "after": "1.0", "targets": ["a", "b"]}
    ]


def test_report_json_keeps_to_its_schema() -> None:
    schema = json.loads((ROOT / "devpi_warmup" / "report" / "report.schema.json").read_text())
    failed = result(missing(1, HOSTILE))
    for one in (made_up(9, 12), made_up(60, 12, bad=True, summary=HOSTILE), failed):
        jsonschema.Draft202012Validator(schema).validate(json.loads(as_json(one)))
    table = json.loads(as_json(made_up(9, 12, bad=True)))
    (finding,) = table["advisories"]["findings"]
    assert (finding["id"], len(finding["targets"])) == ("GHSA-1", 7)
    assert table["licences"]["refused"]
    assert [one["name"] for one in json.loads(licences(made_up(9, 12)))] == [
        file["name"] for file in json.loads(as_json(made_up(9, 12)))["files"]
    ]


def test_a_report_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    system = {"GITHUB_STEP_SUMMARY": str(tmp_path / "nowhere" / "x"), "GITHUB_ACTIONS": "true"}
    publishing.publish(
        result(missing(1, "why")), tmp_path / "file" / "reports", tmp_path, environ=system
    )
    said = capsys.readouterr().err
    assert "reports/report.json cannot be written: Not a directory" in said
    assert "the summary of the step cannot be written" in said
    assert "::error title=cp313-linux_1::why" in said


def test_folds_are_those_of_the_system(capsys: pytest.CaptureFixture[str]) -> None:
    for system in ({}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}):
        with publishing.folded("cp313-win32", system):
            console.say("in it")
    lines = capsys.readouterr().err.split("\n")
    assert lines[:4] == ["in it", "::group::cp313-win32", "in it", "::endgroup::"]
    assert lines[4].startswith("\x1b[0Ksection_start:")
    assert lines[4].endswith("[collapsed=true]\r\x1b[0Kcp313-win32")
    assert lines[6].startswith("\x1b[0Ksection_end:")

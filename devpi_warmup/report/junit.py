"""``junit.xml``: a case a cell, as Jenkins and GitLab show them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from devpi_warmup.foreign import for_xml
from devpi_warmup.report.result import why

if TYPE_CHECKING:
    from devpi_warmup.report.result import Result


def junit(result: Result) -> str:
    """Return one suite for the command; its cases say why they have failed, in full."""
    whole = for_xml(result.unexplained)
    failed, tests = len(result.failed) + bool(whole), len(result.rows) + bool(whole)
    counts = {"tests": str(tests), "failures": str(failed), "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", {"name": "devpi-warmup", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": result.command, **counts})
    for row in result.rows:
        case = ET.SubElement(suite, "testcase", {"classname": result.command, "name": row.cell})
        if reason := for_xml(why(row)):
            failure = ET.SubElement(case, "failure", {"message": reason.splitlines()[0]})
            failure.text = reason
        elif row.notes:
            ET.SubElement(case, "system-out").text = for_xml("\n".join(row.notes))
    if whole:  # of no cell, and so a case of its own
        case = ET.SubElement(suite, "testcase", {"classname": result.command, "name": "the run"})
        ET.SubElement(case, "failure", {"message": whole.splitlines()[0]}).text = whole
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"

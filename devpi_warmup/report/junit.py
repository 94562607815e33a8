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
    failed = str(len(result.failed))
    counts = {"tests": str(len(result.rows)), "failures": failed, "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", {"name": "devpi-warmup", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": result.command, **counts})
    for row in result.rows:
        case = ET.SubElement(suite, "testcase", {"classname": result.command, "name": row.cell})
        if reason := for_xml(why(row)):
            failure = ET.SubElement(case, "failure", {"message": reason.splitlines()[0]})
            failure.text = reason
        elif row.notes:
            ET.SubElement(case, "system-out").text = for_xml("\n".join(row.notes))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"

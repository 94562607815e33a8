"""Bills of materials: valid for their schemas, the same bytes for the same wheelhouse."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from uuid import UUID

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from results import BUILD, made_up
from test_page import HOSTILE

from devpi_warmup.report.cyclonedx import bill
from devpi_warmup.report.result import Result

SERIAL = UUID("12345678-1234-5678-1234-567812345678")
WHEN = datetime(2026, 11, 26, tzinfo=timezone.utc)


def written(
    result: Result, version: SchemaVersion = SchemaVersion.V1_6, **brought: tuple[str, str]
) -> str:
    return bill(result, SERIAL, WHEN, brought, {}, version=version)


@pytest.mark.parametrize("version", [SchemaVersion.V1_6, SchemaVersion.V1_7])
@pytest.mark.parametrize("summary", ["fine", HOSTILE.replace("\ud800", "")])
def test_it_is_valid(version: SchemaVersion, summary: str) -> None:
    text = written(made_up(9, 20, bad=True, summary=summary), version)
    assert JsonStrictValidator(version).validate_str(text) is None
    assert json.loads(text)["specVersion"] == version.to_version()


def test_it_is_the_same_bytes_in_another_process() -> None:
    code = "import test_cyclonedx as t; print(t.written(t.made_up(9, 20, bad=True)), end='')"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {written(made_up(9, 20, bad=True))}


def test_files_platforms_and_who_wants_whom() -> None:
    result = made_up(3, 12)
    table = json.loads(written(result, x_json=("project_001-2.1.1-py3-none-any.whl", "0" * 64)))
    components = {one["bom-ref"]: one for one in table["components"]}
    wheel = components["project_001-2.1.1-py3-none-any.whl"]
    assert (
        wheel["purl"] == "pkg:pypi/project-001@2.1.1?file_name=project_001-2.1.1-py3-none-any.whl"
    )
    assert wheel["hashes"] == [
        {
            "alg": "SHA-256",
            "content": next(
                item.file.sha256 for item in result.inventory.items if item.name == wheel["bom-ref"]
            ),
        }
    ]
    assert wheel["licenses"] == [{"license": {"acknowledgement": "declared", "name": "BSD"}}]
    (reference,) = wheel["externalReferences"]
    assert (reference["type"], reference["url"]) == ("bom", "x_json")
    edges = {one["ref"]: one.get("dependsOn", []) for one in table["dependencies"]}
    cell = result.inventory.held[0].cell.id
    assert edges["wheelhouse"] == sorted(f"cell:{h.cell.id}" for h in result.inventory.held)
    assert edges[f"cell:{cell}"] == sorted(result.inventory.held[0].files)
    assert wheel["bom-ref"] in edges["project_000-1.0-cp310-cp310-manylinux_2_28_x86_64.whl"]
    assert components[f"cell:{cell}"]["type"] == "platform"
    assert wheel["bom-ref"] not in edges[wheel["bom-ref"]]  # an extra of its own is no edge
    assert (wheel["scope"], components[BUILD]["scope"]) == ("required", "excluded")


def test_an_advisory_stands_beside_what_it_affects() -> None:
    (one,) = json.loads(written(made_up(9, 12, bad=True)))["vulnerabilities"]
    assert (one["id"], one["recommendation"]) == ("GHSA-1", "fixed in 3.0")
    assert {target["ref"].partition("-")[0] for target in one["affects"]} == {"project_005"}
    assert "vulnerabilities" not in json.loads(written(made_up(3, 12)))


def test_each_way_of_stating_a_licence() -> None:
    result = made_up(3, 5)
    stated = {}
    for one in json.loads(written(replace(result)))["components"]:
        if one["type"] == "library":
            stated[one["name"]] = one.get("licenses")
    assert stated["project-000"] == [{"license": {"acknowledgement": "declared", "id": "MIT"}}]
    assert stated["project-002"][0]["license"]["name"].startswith("License :: OSI")
    assert stated["project-003"][0]["license"]["id"] == "GPL-3.0-or-later"
    assert stated["project-004"] is None

"""What is looked at before anything is let in, of a real wheelhouse."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from projects import OWN_PLATFORM, Devpi, Project
from readme import blocks

PYTHONS = ("3.13",)
PLATFORMS = (OWN_PLATFORM, "win_amd64")
GPL = "GPL-3.0-only"


def fill(devpi: Devpi, name: str) -> None:
    info = f"{name}_lib-1.0.dist-info"
    bom = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.4"})
    files = {f"{name}_lib/__init__.py": "", f"{info}/sboms/{name}.cdx.json": bom}
    devpi.upstream.add(f"{name}-app", "1.0", requires=(f"{name}-lib",), headers=("License: MIT",))
    devpi.upstream.add(f"{name}-lib", "1.0", files=files, headers=(f"License-Expression: {GPL}",))


def report(project: Project) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (project.root / "wheelhouse/reports/report.json").read_text()
    )
    return found


def test_a_licence_that_is_not_allowed(warmed: Project, devpi: Devpi) -> None:
    fill(devpi, "lic")
    allowed = 'licences-allowed = ["MIT"]'
    warmed.write("lic-app", pythons=PYTHONS, platforms=PLATFORMS, more=allowed)
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert f"licence: lic-lib 1.0: {GPL} is not allowed" in done.stderr
    warmed.write(
        "lic-app", pythons=PYTHONS, platforms=PLATFORMS, more=f"{allowed}\nrequire-licences = true"
    )
    done = warmed.nox("-s", "report")
    assert done.returncode == 1
    assert done.stderr.count(f"lic-lib 1.0: {GPL} is not allowed") == 1
    assert "licences that are not among licences-allowed" in done.stderr
    assert report(warmed)["ok"] is False
    carried = warmed.nox("-s", "bundle")
    assert carried.returncode == 1
    assert f"lic-lib 1.0: {GPL} is not allowed" in carried.stderr
    assert not list((warmed.root / "bundles").glob("full-*"))
    sent = warmed.nox("-s", "publish", "--", "http://127.0.0.1:9/user/index")
    assert (sent.returncode, f"lic-lib 1.0: {GPL} is not allowed" in sent.stderr) == (1, True)
    page = (warmed.wheelhouse / "reports" / "index.html").read_text()
    assert "Not ready: licences that are not among licences-allowed" in page
    more = 'licences-allowed = ["MIT", "project:lic-lib"]\nrequire-licences = true'
    warmed.write("lic-app", pythons=PYTHONS, platforms=PLATFORMS, more=more)
    assert warmed.nox("-s", "report").returncode == 0
    warmed.write("lic-app", pythons=PYTHONS, platforms=PLATFORMS, more="require-licences = true")
    done = warmed.nox("-s", "report")
    assert (done.returncode, "nothing is said to be allowed" in done.output) == (1, True)


def test_advisories_are_found_and_change_no_outcome(warmed: Project, devpi: Devpi) -> None:
    fill(devpi, "adv")
    warmed.write(
        "adv-app", pythons=PYTHONS, platforms=PLATFORMS, more='advisories = "osv/all.json"'
    )
    done = warmed.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert "no advisories were looked at: the advisories cannot be used" in done.stderr
    assert report(warmed)["advisories"]["looked"] is False  # type: ignore[index]
    (warmed.root / "osv").mkdir()
    package = {"ecosystem": "PyPI", "name": "adv-lib"}
    affected = [{"package": package, "versions": ["1.0"]}]
    table = {"id": "PYSEC-9", "aliases": ["CVE-9"], "affected": affected}
    (warmed.root / "osv" / "all.json").write_text(json.dumps([table]))
    done = warmed.nox("-s", "report")
    assert done.returncode == 0, done.output
    assert done.stderr.count("advisory: adv-lib 1.0: PYSEC-9, CVE-9") == 1
    (finding,) = report(warmed)["advisories"]["findings"]  # type: ignore[index]
    assert len(finding["targets"]) == 2
    assert "PYSEC-9, CVE-9" in (warmed.wheelhouse / "reports" / "index.html").read_text()


def test_what_is_new_since_a_kept_manifest(warmed: Project, devpi: Devpi, tmp_path: Path) -> None:
    fill(devpi, "since")
    warmed.write("since-app", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    kept = tmp_path / "kept.json"
    kept.write_bytes((warmed.wheelhouse / "manifest.json").read_bytes())
    devpi.upstream.add("since-more", "3.0", headers=("License: BSD",))
    warmed.write("since-app", "since-more", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    done = warmed.nox("-s", "report", "--", "--since", str(kept))
    assert done.returncode == 0, done.output
    assert "since-more 3.0 (added): all of them" in done.stderr
    since = report(warmed)["since"]
    assert [one["name"][:10] for one in since["files_new"]] == ["since_more"]  # type: ignore[index]
    # Another time alone makes no other report: a bundle of the same is the same.
    assert warmed.nox("-s", "report", SOURCE_DATE_EPOCH="1000000000").returncode == 0
    page = (warmed.wheelhouse / "reports" / "index.html").read_bytes()
    assert b"2001-09-09" in page
    assert warmed.nox("-s", "report", SOURCE_DATE_EPOCH="1100000000").returncode == 0
    assert (warmed.wheelhouse / "reports" / "index.html").read_bytes() == page
    again = warmed.nox("-s", "report", "--", "--since", "wheelhouse")
    assert (again.returncode, "0 new files" in again.stderr) == (0, True)
    done = warmed.nox("-s", "report", "--", "--since", "nowhere.json")
    assert done.returncode == 1
    assert "nowhere.json cannot be compared with: No such file or directory" in done.stderr
    assert report(warmed)["ok"] is False


def test_bills_of_materials(warmed: Project, devpi: Devpi) -> None:
    fill(devpi, "bom")
    warmed.write("bom-app", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    cell, folder = f"cp313-{OWN_PLATFORM}", warmed.wheelhouse / "reports"
    done = warmed.nox("-s", "report", "--", "--sbom", cell)
    assert done.returncode == 0, done.output
    assert "py_serializable" not in done.stderr
    names = (
        "sbom.cdx.json",
        f"sbom.{cell}.cdx.json",
        "sboms/bom_lib-1.0-py3-none-any.whl/1-bom.cdx.json",
    )
    written = {name: (folder / name).read_bytes() for name in names}
    assert warmed.nox("-s", "report").returncode == 0  # they are of this very state, and stay
    assert warmed.nox("-s", "report", "--", "--sbom", cell).returncode == 0
    assert {name: (folder / name).read_bytes() for name in names} == written
    (whole, own) = (json.loads(written[name]) for name in names[:2])
    assert whole["serialNumber"] != own["serialNumber"]
    assert sum(one["type"] == "platform" for one in own["components"]) == 1
    assert names[2] in written[names[0]].decode()
    for words, said in (
        (("--sbom", "cp39-win32"), "--sbom takes ids of cells, as plan prints them: cp39-win32"),
        (("--frobnicate",), "takes --since MANIFEST and --sbom [CELL …] after --: --frobnicate"),
        (("--since",), "takes --since MANIFEST and --sbom [CELL …] after --: --since"),
    ):
        done = warmed.nox("-s", "report", "--", *words)
        assert (done.returncode, said in done.stderr) == (1, True), done.output
    (folder / "sboms" / "mine.json").write_text("{}")
    (folder / "sbom.mine.cdx.json").write_text("{}")
    devpi.upstream.add("bom-more", "3.0")
    warmed.write("bom-app", "bom-more", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    assert not [name for name in names if (folder / name).exists()]  # they were of another state
    # What is not ours stays, whatever it is called.
    assert (folder / "sboms" / "mine.json").is_file()
    assert (folder / "sbom.mine.cdx.json").is_file()


def test_without_the_extra_a_sentence_says_what_to_install(
    warmed: Project, devpi: Devpi, tmp_path: Path
) -> None:
    fill(devpi, "extra")
    warmed.write("extra-app", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    (tmp_path / "cyclonedx.py").write_text("raise ImportError('not here')\n")
    path = f"{tmp_path}:{':'.join(filter(None, sys.path))}"
    done = warmed.nox("-s", "report", "--", "--sbom", PYTHONPATH=path)
    assert done.returncode == 1
    assert 'pip install "devpi-warmup[sbom]"' in done.stderr
    assert "Traceback" not in done.output
    assert (warmed.wheelhouse / "reports" / "index.html").is_file()


def test_the_commands_of_the_readme(warmed: Project, devpi: Devpi) -> None:
    fill(devpi, "cmd")
    warmed.write("cmd-app", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-s", "warmup").returncode == 0
    (warmed.root / "kept").mkdir()
    (warmed.root / "kept" / "manifest.json").write_bytes(
        (warmed.wheelhouse / "manifest.json").read_bytes()
    )
    (block,) = [block.text for block in blocks() if block.who == "run by test_report"]
    for line in block.splitlines():
        done = warmed.nox(*line.split()[1:])
        assert done.returncode == 0, done.output


def verdict(project: Project) -> str:
    page = (project.wheelhouse / "reports" / "index.html").read_text()
    return page.partition(' verdict">')[2].partition("<")[0]


@pytest.mark.long
def test_no_page_of_an_earlier_run_is_taken_for_that_of_a_later_one(
    warmed: Project, devpi: Devpi
) -> None:
    fill(devpi, "later")
    warmed.write("later-app", pythons=PYTHONS, platforms=PLATFORMS)
    one = f"warmup(cp313-{OWN_PLATFORM})"
    assert warmed.nox("-s", one).returncode == 0
    assert verdict(warmed).startswith("Complete for what was selected: 1 of 2 targets.")
    assert report(warmed)["not_selected"] == ["cp313-win_amd64"]
    assert warmed.nox("-s", "warmup").returncode == 0
    assert verdict(warmed).startswith("Complete: ")
    # nox -x ends without the report, as Ctrl-C and kill -9 do.
    warmed.write("later-app", "later-none", pythons=PYTHONS, platforms=PLATFORMS)
    assert warmed.nox("-x", "-s", "warmup").returncode == 1
    assert verdict(warmed).startswith("Not ready: warmup has not ended")
    done = warmed.nox("-s", "report", "--", "--since", "nowhere.json")
    assert done.returncode == 1
    assert "nowhere.json cannot be compared with" in done.stderr
    assert verdict(warmed).startswith("Not ready: 2 of 2 are missing") or "missing" in verdict(
        warmed
    )
    (warmed.root / "pyproject.toml").write_text("[tool.devpi-warmup]\npython = []\n")
    assert warmed.nox("-s", "report").returncode == 1
    assert "unknown key" in verdict(warmed)


def test_a_bill_of_nothing_is_refused(warmed: Project, devpi: Devpi) -> None:
    fill(devpi, "none")
    warmed.write("none-app", pythons=PYTHONS, platforms=PLATFORMS)
    done = warmed.nox("-s", "report", "--", "--sbom", SOURCE_DATE_EPOCH="9" * 30)
    assert done.returncode == 1
    assert "no bill of materials for what is missing: every target" in done.stderr
    assert "Traceback" not in done.output

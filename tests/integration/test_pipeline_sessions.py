"""What pipelines are made of: pins that stay, plan, parts that are merged, reports."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from catalogue import Catalogue
from projects import OWN_PLATFORM, OWN_PYTHON, Devpi, Done, Project, linux_only

CELLS = (
    *("cp39-manylinux2014_x86_64", "cp39-win_amd64"),
    *("cp313-manylinux2014_x86_64", "cp313-win_amd64"),
)


def fill(upstream: Catalogue, name: str) -> None:
    upstream.add(f"{name}-app", "1.0", requires=(f"{name}-lib",))
    for tag in ("py3-none-win_amd64", "py3-none-manylinux2014_x86_64"):
        upstream.add(f"{name}-lib", "1.0", tag=tag)


def refresh(project: Project, index: str, name: str) -> None:
    """Have devpi ask its upstream again at the next question."""
    import requests

    requests.post(f"{index}/+simple/{name}/refresh", timeout=30)


@pytest.fixture
def clone(project: Project, warmed: Project, tmp_path: Path) -> Callable[[str], Project]:
    """Make a clean clone of the project, as a job has it."""

    def clone(name: str) -> Project:
        copy = tmp_path / name
        ignored = shutil.ignore_patterns("wheelhouse", ".nox")
        shutil.copytree(project.root, copy, ignore=ignored)
        return Project(copy, dict(project.environ))

    return clone


def test_a_clean_clone_with_tracked_locks_gives_the_same_pins(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    fill(devpi.upstream, "kept")
    warmed.write("kept-app")
    assert warmed.nox("-s", "warmup").returncode == 0
    locks = {name: data for name, data in warmed.files().items() if name.startswith("locks/")}
    devpi.upstream.add("kept-app", "2.0")
    refresh(warmed, devpi.index, "kept-app")
    other = clone("other")
    for name, data in locks.items():
        (other.wheelhouse / name).parent.mkdir(parents=True, exist_ok=True)
        (other.wheelhouse / name).write_bytes(data)
    done = other.nox("-s", "warmup")
    assert done.returncode == 0, done.output
    assert {n: d for n, d in other.files().items() if n.startswith("locks/")} == locks
    assert "changed since the last lock" not in done.stderr
    wrong = other.nox("-s", "warmup", "--", "--upgrade", "kept-appp")
    assert wrong.returncode == 1
    assert "--upgrade: no lock holds kept-appp" in wrong.stderr
    renewed = other.nox("-s", "warmup", "--", "--upgrade", "Kept_App")
    assert renewed.returncode == 0, renewed.output
    assert "kept-app 1.0 -> 2.0 (up): all of them" in renewed.stderr
    assert "kept-lib 1.0 (gone): all of them" in renewed.stderr
    report = json.loads((other.wheelhouse / "reports" / "report.json").read_text())
    up = {"project": "kept-app", "kind": "up", "before": "1.0", "after": "2.0"}
    assert {**up, "targets": sorted(CELLS)} in report["changes"]


@pytest.mark.parametrize(
    ("session", "words", "said"),
    [
        ("warmup", ("--frobnicate",), "takes --upgrade [PROJECT …] and nothing else"),
        ("warmup", ("--upgrade", "six==1"), "--upgrade takes names of projects"),
        ("plan", ("--yaml",), "takes --json or --github and nothing else"),
        ("plan", ("--json", "--github"), "takes --json or --github and nothing else"),
        ("report", ("x",), "takes --since MANIFEST and --sbom [CELL …] after --: x"),
        ("merge", (), "merge takes folders after --: nox -s merge -- parts/*"),
        ("merge", ("nowhere",), "nowhere holds no manifest.json"),
    ],
)
def test_what_a_session_does_not_take(
    project: Project, session: str, words: tuple[str, ...], said: str
) -> None:
    project.write("six", pythons=("3.13",))
    done = project.nox("-s", session, "--", *words)
    assert done.returncode == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_plan_is_for_people_shells_and_programs(project: Project) -> None:
    project.write("six")
    assert project.nox("-s", "plan").stdout == "".join(f"{id_}\n" for id_ in CELLS)
    listed = json.loads(project.nox("-l", "-s", "warmup", "--json").stdout)
    planned = json.loads(project.nox("-s", "plan", "--", "--json").stdout)
    assert [item["session"] for item in planned] == [item["session"] for item in listed]
    assert [item["call_spec"] for item in planned] == [item["call_spec"] for item in listed]
    matrix = project.nox("-s", "plan", "--", "--github").stdout
    assert matrix.count("\n") == 1
    command = project.devpi_warmup("plan")
    assert command.stdout == "".join(f"{id_}\n" for id_ in CELLS)
    planned = json.loads(matrix)
    last = {"id": "cp313-win_amd64", "python": "3.13", "runner": "windows-latest"}
    assert planned["verify"]["include"][-1] == last | {"run": "verify(cp313-win_amd64)"}
    assert [one["run"] for one in planned["warmup"]["include"]] == [f"warmup({i})" for i in CELLS]
    more = ("win32", "musllinux_1_2_x86_64", "macosx_11_0_arm64", "manylinux_2_28_aarch64")
    project.write("six", pythons=("3.13",), platforms=more)
    planned = json.loads(project.nox("-s", "plan", "--", "--github").stdout)
    assert len(planned["warmup"]["include"]) == 4
    runners = [one["runner"] for one in planned["verify"]["include"]]
    assert runners == ["macos-latest", "ubuntu-24.04-arm"]  # no runner has the others


def test_plan_fails_on_a_wrong_table(project: Project) -> None:
    project.write("six", more="pythonz = 1")
    done = project.nox("-s", "plan")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "did you mean 'pythons'?" in done.stderr


def fan_out(
    clone: Callable[[str], Project], cells: tuple[str, ...], parts: Path
) -> list[tuple[str, Done]]:
    """Warm up each cell in a clean clone, and store its wheelhouse."""
    done = []
    for id_ in cells:
        job = clone(f"job-{id_}")
        done.append((id_, job.nox("-s", f"warmup({id_})")))
        shutil.copytree(job.wheelhouse, parts / id_, ignore=shutil.ignore_patterns(".*"))
    return done


def unreported(project: Project) -> dict[str, bytes]:
    """What must be the same however it was gathered; a run says what has changed, a merge not."""
    return {n: data for n, data in project.files().items() if not n.startswith("reports/")}


def test_a_fan_out_merged_is_the_single_run(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    fill(devpi.upstream, "fan")
    warmed.write("fan-app")
    whole = clone("whole")
    assert whole.nox("-s", "warmup").returncode == 0
    for id_, done in fan_out(clone, CELLS, warmed.root / "parts"):
        assert done.returncode == 0, f"{id_}\n{done.output}"
    merged = warmed.run(
        [sys.executable, "-m", "nox", "-s", "merge", "--", *(f"parts/{id_}" for id_ in CELLS)]
    )
    assert merged.returncode == 0, merged.output
    assert "4 of 4 targets covered" in merged.stdout
    assert "2 of 2" in merged.stdout  # devpi holds them: it is the same for all
    assert unreported(warmed) == unreported(whole)
    report = json.loads((warmed.wheelhouse / "reports" / "report.json").read_text())
    assert (report["command"], report["ok"]) == ("merge", True)
    again = warmed.nox("-s", "merge", "--", "parts/*", f"parts/{CELLS[2]}")  # as cmd.exe has it
    assert again.returncode == 0, again.output
    assert unreported(warmed) == unreported(whole)
    assert warmed.nox("-s", "report").returncode == 0


def test_a_job_that_failed_and_one_that_never_ran_are_red(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    devpi.upstream.add("red-app", "1.0", tag="py3-none-win_amd64")
    warmed.write("red-app")
    fan_out(clone, CELLS[:3], warmed.root / "parts")
    tracked = warmed.wheelhouse / "locks" / f"{CELLS[3]}.txt"
    tracked.parent.mkdir(parents=True)
    tracked.write_text("# of last month\n")
    done = warmed.nox("-s", "merge", "--", *(f"parts/{id_}" for id_ in CELLS[:3]))
    assert done.returncode == 1
    assert "1 of 4 targets covered" in done.stdout
    assert "no wheel for this target: 1.0 (1.0 has wheels for: win_amd64)" in done.stdout
    assert "cp313-win_amd64" in done.stdout
    assert "no part has it: did its job run, and store its wheelhouse?" in done.stdout
    assert not tracked.exists()  # of last month, in git: it serves other requirements
    suite = ET.parse(warmed.wheelhouse / "reports" / "junit.xml").getroot()
    assert suite.attrib["failures"] == "3"


def rehash(part: Path, cell: str) -> None:
    """Have the manifest of a part name the lock as it is now."""
    table = json.loads((part / "manifest.json").read_text())
    locks = table["targets"][cell]["locks"]
    for name in locks:
        locks[name] = hashlib.sha256((part / name).read_bytes()).hexdigest()
    (part / "manifest.json").write_text(json.dumps(table))


def lie(part: Path, cell: str) -> None:
    """Take a pin away wherever the part names it, as a job that is not ours would."""
    text, page, pylock = (
        part / "locks" / name for name in (f"{cell}.txt", f"{cell}.html", f"pylock.{cell}.toml")
    )
    short = re.sub(r"^lie-lib==.*\n(    .*\n)+", "", text.read_text(), flags=re.MULTILINE)
    text.write_text(short.replace(": 2 pins", ": 1 pins"))
    page.write_text(re.sub(r".*lie_lib.*\n", "", page.read_text()))
    head, *packages = pylock.read_text().split("[[packages]]\n")
    kept = [one for one in packages if "lie-lib" not in one]
    pylock.write_text("[[packages]]\n".join([head, *kept]).rstrip() + "\n")
    table = json.loads((part / "manifest.json").read_text())
    entry = table["targets"][cell]
    entry["files"] = {name: s for name, s in entry["files"].items() if "lib" not in name}
    (part / "manifest.json").write_text(json.dumps(table))
    rehash(part, cell)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("{}.html", lambda text: re.sub(r".*odd_lib.*\n", "", text)),
        ("{}.txt", lambda text: "# -*- coding: utf-16-le -*-\n" + text),
        ("pylock.{}.toml", lambda text: text.partition("[[packages]]")[0]),
    ],
)
def test_what_is_installed_from_must_be_what_is_judged(
    warmed: Project,
    devpi: Devpi,
    clone: Callable[[str], Project],
    name: str,
    change: Callable[[str], str],
) -> None:
    fill(devpi.upstream, "odd")
    warmed.write("odd-app", pythons=("3.13",), platforms=("win_amd64",))
    (cell,) = CELLS[3:]
    fan_out(clone, (cell,), warmed.root / "parts")
    part = warmed.root / "parts" / cell
    path = part / "locks" / name.format(cell)
    path.write_text(change(path.read_text()))
    rehash(part, cell)
    done = warmed.nox("-s", "merge", "--", f"parts/{cell}")
    assert done.returncode == 1
    assert f"{path.name} is not what is written for its pins" in done.stdout


def test_pip_unpacks_every_wheel_of_a_part(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    fill(devpi.upstream, "crc")
    warmed.write("crc-app", pythons=("3.13",), platforms=("win_amd64",))
    (cell,) = CELLS[3:]
    fan_out(clone, (cell,), warmed.root / "parts")
    part = warmed.root / "parts" / cell
    wheel = part / "crc_app-1.0-py3-none-any.whl"
    before = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("crc_app-1.0.data/nowhere/x", "pip knows no such place")
    after = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for path in (part / "manifest.json", *(part / "locks").iterdir()):
        path.write_text(path.read_text().replace(before, after))
    size = str(wheel.stat().st_size)
    pylock = part / "locks" / f"pylock.{cell}.toml"
    pylock.write_text(
        re.sub(r"(crc_app.*\npath.*\nsize = )\d+", rf"\g<1>{size}", pylock.read_text())
    )
    rehash(part, cell)
    table = json.loads((part / "manifest.json").read_text())
    table["files"][wheel.name]["size"] = int(size)
    (part / "manifest.json").write_text(json.dumps(table))
    done = warmed.nox("-s", "merge", "--", f"parts/{cell}")
    assert done.returncode == 1
    assert "pip cannot install crc_app-1.0-py3-none-any.whl" in done.stdout


def test_a_patch_range_is_computed_again(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    devpi.upstream.add("range-app", "1.0", requires_python=">=3.13.1")
    warmed.write("range-app", pythons=("3.13",), platforms=("win_amd64",))
    (cell,) = CELLS[3:]
    fan_out(clone, (cell,), warmed.root / "parts")
    part = warmed.root / "parts" / cell
    for path in (part / "manifest.json", *(part / "locks").iterdir()):
        text = path.read_text().replace('"from": "3.13.1"', '"from": "3.13.0"')
        text = text.replace(
            'requires-python = ">=3.13.1"\ncreated', 'requires-python = ">=3.13.0"\ncreated'
        )
        path.write_text(text.replace("from 3.13.1", "from 3.13.0"))
    rehash(part, cell)
    done = warmed.nox("-s", "merge", "--", f"parts/{cell}")
    assert done.returncode == 1
    assert "it serves from 3.13.1, and is said to serve from 3.13.0" in done.stdout


def test_no_report_is_green_when_the_run_was_red(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("green-app", "1.0")
    warmed.write("green-app", pythons=("3.13",), platforms=("win_amd64",))
    assert warmed.nox("-s", "warmup").returncode == 0
    reports = warmed.wheelhouse / "reports"
    system = {"GITHUB_ACTIONS": "true", "PIP_RETRIES": "0"}
    nowhere = warmed.nox("-s", "warmup", DEVPI_INDEX="http://127.0.0.1:9/root/pypi", **system)
    assert nowhere.returncode == 1
    case = ET.parse(reports / "junit.xml").getroot()[0][-1]
    assert case.attrib["name"] == "the run"
    assert "nothing was warmed up" in case[0].attrib["message"]
    assert "::error title=devpi-warmup warmup::nothing was warmed up" in nowhere.stderr
    assert warmed.nox("-s", "warmup").returncode == 0
    assert warmed.nox("-s", "merge", "--", "nowhere").returncode == 1
    suite = ET.parse(reports / "junit.xml").getroot()[0]
    assert (suite.attrib["name"], suite.attrib["failures"]) == ("merge", "1")
    table = json.loads((reports / "report.json").read_text())
    assert table["problem"].startswith("nowhere holds no manifest.json")
    warmed.write("green-app", pythons=("3.13",), platforms=("win_amd64",), more="pythonz = 1")
    broken = warmed.nox("-s", "warmup", **system)
    assert "::error title=devpi-warmup warmup::" in broken.stderr
    assert "did you mean 'pythons'?" in json.loads((reports / "report.json").read_text())["problem"]


def test_pip_judges_what_a_part_claims(
    warmed: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    """A part whose bytes are its own, and whose lock lacks something."""
    fill(devpi.upstream, "lie")
    warmed.write("lie-app", pythons=("3.13",), platforms=("win_amd64",))
    (cell,) = CELLS[3:]
    fan_out(clone, (cell,), warmed.root / "parts")
    part = warmed.root / "parts" / cell
    lie(part, cell)
    done = warmed.nox("-s", "merge", "--", f"parts/{cell}")
    assert done.returncode == 1
    assert "0 of 1 targets covered" in done.stdout
    assert "pip refuses the lock offline" in done.stdout
    assert not (warmed.wheelhouse / "locks" / f"{cell}.txt").exists()


@linux_only
def test_a_private_server_of_a_part_is_gone(
    project: Project, devpi: Devpi, clone: Callable[[str], Project]
) -> None:
    fill(devpi.upstream, "gone")
    project.write("gone-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    cell = f"cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}"
    fan_out(clone, (cell,), project.root / "parts")
    path = project.root / "parts" / cell / "manifest.json"
    table = json.loads(path.read_text())
    path.write_text(json.dumps(table | {"index": "private devpi-server (.devpi/)"}))
    del project.environ["DEVPI_INDEX"]
    done = project.nox("-s", "merge", "--", f"parts/{cell}")
    assert done.returncode == 0, done.output
    assert "1 of 1 targets covered" in done.stdout
    assert "2 of 2" not in done.stdout
    warm = {entry["warm"] for entry in project.manifest()["files"].values()}
    assert warm == {"cannot be shown"}
    verified = project.nox("-s", f"verify({cell})")
    assert verified.returncode == 0, verified.output


def test_github_is_told_where(warmed: Project, devpi: Devpi, tmp_path: Path) -> None:
    devpi.upstream.add("told-app", "1.0", tag="py3-none-win_amd64")
    warmed.write("", "told-app", pythons=("3.13",))
    page = tmp_path / "summary.md"
    system = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}
    done = warmed.nox("-s", "warmup", **system)
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("::error")]
    place = "::error file=requirements/main.txt,line=2,title=cp313-manylinux2014_x86_64::"
    assert error.startswith(f"{place}told-app: no wheel for this target")
    assert "::group::cp313-win_amd64\n" in done.stderr
    assert "::" not in done.stdout
    assert "| cp313-win&#95;amd64 | covered |" in page.read_text()
    gitlab = warmed.nox("-s", "warmup", GITLAB_CI="true")
    assert "\x1b[0Ksection_start:" in gitlab.stderr
    assert "::" not in gitlab.output.replace("::error", "x")


@linux_only
def test_verify_reports_to_a_pipeline_and_to_nobody_else(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("case-app", "1.0")
    warmed.write("case-app", pythons=(OWN_PYTHON,), platforms=(OWN_PLATFORM,))
    assert warmed.nox("-s", "warmup").returncode == 0
    name = f"junit.verify-cp{OWN_PYTHON.replace('.', '')}-{OWN_PLATFORM}.xml"
    path = warmed.wheelhouse / "reports" / name
    assert warmed.nox("-s", "verify").returncode == 0
    assert not path.exists()
    assert warmed.nox("-s", "verify", JENKINS_URL="http://127.0.0.1").returncode == 0
    (case,) = ET.parse(path).getroot().iter("testcase")
    assert case.attrib["classname"] == "verify"
    assert not list(case.iter("failure"))
    next(warmed.wheelhouse.glob("*.whl")).unlink()
    assert warmed.nox("-s", "verify", GITLAB_CI="true").returncode == 1
    (case,) = ET.parse(path).getroot().iter("testcase")
    assert "is missing from wheelhouse/" in next(case.iter("failure")).attrib["message"]


def test_reports_lie_where_the_user_says(warmed: Project, devpi: Devpi) -> None:
    devpi.upstream.add("where-app", "1.0")
    more = 'reports = "out/reports"'
    warmed.write("where-app", pythons=("3.13",), platforms=("win_amd64",), more=more)
    assert warmed.nox("-s", "warmup").returncode == 0
    names = sorted(path.name for path in (warmed.root / "out" / "reports").iterdir())
    assert names == ["index.html", "junit.xml", "licences.json", "report.css", "report.json"]
    schema = Path(__file__).parents[2] / "devpi_warmup" / "report" / "report.schema.json"
    report = warmed.root / "out" / "reports" / "report.json"
    command = [sys.executable, "-m", "check_jsonschema"]
    subprocess.run([*command, "--check-metaschema", str(schema)], check=True)
    subprocess.run([*command, "--schemafile", str(schema), str(report)], check=True)

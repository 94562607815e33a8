"""Results of any size, made up: for what reports show, and how large they become."""

from __future__ import annotations

import hashlib

from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.licences import read_policy
from devpi_warmup.inputs.patches import Patches
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inventory.advisories import Advisories, Finding
from devpi_warmup.inventory.contents import Held, Inventory, Item
from devpi_warmup.inventory.licences import judge
from devpi_warmup.inventory.since import Differences, Moved, Relicensed
from devpi_warmup.report.result import Result
from devpi_warmup.report.table import Row
from devpi_warmup.wheelhouse.about import About, Licence, Stated
from devpi_warmup.wheelhouse.changes import Change
from devpi_warmup.wheelhouse.file_entry import FileEntry
from devpi_warmup.wheelhouse.lock import LockedPin
from devpi_warmup.wheelhouse.manifest import COVERED, MISSING, TO_BUILD, CellEntry, Manifest
from devpi_warmup.wheelhouse.origins import Origin
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

PLATFORMS = (
    *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64", "macosx_14_0_arm64"),
    *("musllinux_1_2_x86_64", "win_arm64", "macosx_14_0_x86_64", "manylinux2014_x86_64"),
)
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
BUILD = "project_000-9.0-py3-none-any.whl"  # what a build takes, and nothing else
WARM = Proof(Warmth.WARM, "committed")
LICENCES = (
    Licence(Stated.EXPRESSION, "MIT", files=("LICENSE",)),
    Licence(Stated.TEXT, "BSD", classifiers=("License :: OSI Approved :: BSD License",)),
    Licence(
        Stated.CLASSIFIERS,
        "License :: OSI Approved :: MIT License",
        classifiers=("License :: OSI Approved :: MIT License",),
    ),
    Licence(Stated.EXPRESSION, "GPL-3.0-or-later"),
    Licence(Stated.NOWHERE),
)


def cells(count: int) -> tuple[Cell, ...]:
    """Cells of one environment, or of several where there are many."""
    every = [
        Cell(Target(python, platform), environment)
        for environment in (("",) if count <= 40 else ("prod", "dev", "gpu"))
        for python in PYTHONS
        for platform in PLATFORMS
    ]
    return tuple(every[:count])


def made_up(
    cell_count: int, projects: int, *, bad: bool = False, summary: str = "Does what it says"
) -> Result:
    """Return a result: every third project has a wheel of its own for each platform and Python.

    :param bad: whether some cells are missing, to build, or not warm
    """
    every = cells(cell_count)
    states = {
        cell.id: (MISSING, TO_BUILD, COVERED)[min(n % 7, 2)] if bad else COVERED
        for n, cell in enumerate(every)
    }
    files: dict[str, FileEntry] = {}
    carriers: dict[str, list[str]] = {}
    held, rows, entries = [], [], {}
    for cell in every:
        if states[cell.id] == MISSING:
            reason = "six: no wheel fits\n      six>=2, wanted by requirements/main.txt:1"
            rows.append(Row(cell.id, MISSING, reason=reason.splitlines()[0], whole=reason))
            continue
        names, pins = [], {}
        for n in range(projects):
            project = canonicalize_name(f"project-{n:03}")
            old = cell.target.python == "3.10" and n % 4 == 0
            version = "1.0" if old else f"2.{n}.1"
            tag = (
                f"{cell.target.id.replace('-', '-' + cell.target.id.split('-')[0] + '-', 1)}"
                if n % 3 == 0 and cell_count < 20
                else "py3-none-any"
            )
            name = f"{project.replace('-', '_')}-{version}-{tag}.whl"
            sha256 = hashlib.sha256(name.encode()).hexdigest()
            origin = Origin.BUILT if n % 50 == 7 else Origin.INDEX
            warm = Proof(Warmth.COLD, "it is not on its disk") if bad and n == 3 else WARM
            files[name] = FileEntry(
                project, version, sha256, 1000 + n * 54_321, origin, warm, "26.3"
            )
            carriers.setdefault(name, []).append(cell.id)
            names.append(name)
            via = ("-r requirements/main.txt",) if n % 9 == 0 else (f"project-{n - n % 9:03}",)
            via += (project,) if n == 1 else ()  # an extra of its own
            pins[project] = LockedPin(project, Version(version), sha256, (), via)
        files[BUILD] = FileEntry("project-000", "9.0", "f" * 64, 5, Origin.INDEX, WARM, "26.3")
        carriers.setdefault(BUILD, []).append(cell.id)
        held.append(Held(cell, pins, (*names, BUILD)))
        notes = ("project-001 2.1.1 is not the newest: 3.0 exists only as an sdist",) if bad else ()
        entries[cell.id] = CellEntry(
            cell.target.python,
            cell.target.full_version,
            cell.target.platform,
            states[cell.id],
            "",
            patches=Patches(f"{cell.target.python}.0", ""),
            pip="26.3",
            files={name: files[name].sha256 for name in names},
            sources={BUILD: "f" * 64},
        )
        rows.append(
            Row(
                cell.id,
                states[cell.id],
                f"from {cell.target.python}.0",
                projects,
                10_000_000,
                projects - bad,
                projects,
                reason="project-003 not warm" if bad else "",
                notes=notes,
            )
        )
    policy = read_policy(
        ["MIT", "BSD", "License :: OSI Approved :: BSD License"] if bad else [], []
    )
    finding = Finding("GHSA-1", ("CVE-2026-1",), "It can be made to wait", "HIGH", ("3.0",))
    items = []
    for name, file in files.items():
        number = int(file.project.rpartition("-")[2])
        about = About(
            LICENCES[number % len(LICENCES)],
            ">=3.11" if file.version != "1.0" else ">=3.8",
            summary,
        )
        items.append(
            Item(
                name,
                file,
                about,
                tuple(carriers[name]),
                ("-r requirements/main.txt",),
                name != BUILD,
                judge(policy, file.project, about),
                (finding,) if bad and number == 5 else (),
            )
        )
    items.sort(key=lambda item: (item.file.project, Version(item.file.version), item.name))
    since = Differences(
        "last/manifest.json",
        {cell.id: (Change("project-001", "1.9", "2.1.1"),) for cell in every[:3]},
        files_new=(Moved("project_001-2.1.1-py3-none-any.whl", 55_000, "a" * 64),),
        licences=(Relicensed("project-001", "MIT (License)", "BSD (License)", "1.9", "2.1.1"),),
    )
    inventory = Inventory(
        tuple(held),
        tuple(items),
        policy,
        Advisories("osv/PyPI.zip", 12_345, "2026-11-01T00:00:00Z") if bad else None,
    )
    problem = f"{sum(s == MISSING for s in states.values())} are missing" if bad else ""
    return Result(
        "report",
        tuple(rows),
        problem,
        "cells" if len(every) > 40 else "targets",
        Manifest(
            "https://devpi.example.com/user/index",
            entries,
            files,
            ("user/index", "root/pypi (mirror)"),
        ),
        cells=every,
        inventory=inventory,
        since=since if bad else None,
        written="2026-11-26 10:00 UTC",
    )

"""The peers' resolver scenarios, by our engine and by pip: ``nox -s measure -- scenarios``.

The scenarios of packse, uv, resolvelib and pip lie in a normal form outside of the repository, in
../shared/scenarios; the README there describes it. Each is resolved on each of its platforms, by
pip under the shim of the referee. Both must choose the same files, or both refuse; known.json
there says which are known to differ, and why. Options: ``--only TEXT``, ``--texts FILE``.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pip
from indexes import ROOT
from packaging.utils import canonicalize_name
from packaging.version import Version

sys.path.insert(0, str(ROOT / "tests" / "support"))

from catalogue import Catalogue, Upload, memory_session

from devpi_warmup.errors import (
    FileError,
    InvalidInputError,
    InvalidTargetError,
    ResolutionError,
    SeveralError,
)
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.prove import foreign_pip
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse

SCENARIOS = ROOT.parent / "shared" / "scenarios"
LIMIT = 120  # seconds for one resolver
# Each run has a process of its own, forked from one that has imported these: pip has to be a
# fresh one for each target, and takes a second to import.
PRELOAD = [
    "scenarios",
    "pip._internal.commands.install",
    "pip._internal.resolution.resolvelib.resolver",
]
Files = dict[str, str]  # project: filename
Scenario = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """The files that were chosen, or why there are none."""

    files: Files | None = None
    text: str = ""
    crashed: bool = False

    def __str__(self) -> str:
        return (
            "refused" if self.files is None and not self.crashed else str(self.files or self.text)
        )


@dataclass(frozen=True)
class Run:
    """What one scenario came to on one platform."""

    ours: Outcome
    theirs: Outcome
    seconds: float

    @property
    def crashed(self) -> bool:
        return self.ours.crashed or self.theirs.crashed

    @property
    def same(self) -> bool:
        return not self.crashed and self.ours.files == self.theirs.files


def catalogue_of(scenario: Scenario) -> Catalogue:
    catalogue = Catalogue()
    for name, releases in scenario["packages"].items():
        catalogue.projects[canonicalize_name(name)] = []
        for version, release in releases:
            extras = release.get("e", {})
            requires = list(release.get("r", []))
            requires += [in_extra(line, extra) for extra in extras for line in extras[extra]]
            common = {"requires_python": release.get("p", ""), "yanked": bool(release.get("y"))}
            for tag in release.get("t", ["py3-none-any"]):
                catalogue.add(
                    name,
                    version,
                    requires=tuple(requires),
                    extras=tuple(extras),
                    tag=tag,
                    core_metadata=True,
                    **common,
                )
            if release.get("s"):
                filename = f"{name.replace('-', '_')}-{version}.tar.gz"
                catalogue.upload(name, Upload(filename, filename.encode(), **common))
    return catalogue


def in_extra(line: str, extra: str) -> str:
    requirement, _, marker = line.partition(";")
    both = f"({marker.strip()}) and " if marker.strip() else ""
    return f'{requirement.strip()} ; {both}extra == "{extra}"'


def write_lines(path: Path, lines: list[str], catalogue: Catalogue) -> Path:
    """Write requirement lines; the digest of a file stands there as {sha256:FILENAME}."""
    uploads = [upload for project in catalogue.projects.values() for upload in project]
    digests = {upload.filename: upload.digest for upload in uploads} if "{" in str(lines) else {}
    text = "".join(f"{line}\n" for line in lines)
    text = re.sub(r"\{sha256:([^}]+)\}", lambda match: digests[match[1]], text)
    path.write_text(text, encoding="utf-8")
    return path


def our_outcome(
    catalogue: Catalogue, wanted: Path, allowed: Path, target: Target, root: Path
) -> Outcome:
    transport = Transport(
        IndexUrl("http://index.example.com"),
        make_session=lambda: memory_session(catalogue),
        sleep=lambda _: None,
    )
    wheelhouse = Wheelhouse(root / "wheelhouse")
    try:
        loaded = load(Sources(root, (Source(wanted),), constraints=(allowed,)))
        with wheelhouse.held():
            fetcher = Fetcher(Index(transport), wheelhouse)
            try:
                lock = resolve(loaded, Cell(target), fetcher)
            finally:
                fetcher.close()
    except (ResolutionError, SeveralError, FileError, InvalidInputError) as error:
        return Outcome(text=str(error))
    return Outcome({str(pin.project): pin.file.filename for pin in lock.pins})


def pip_outcome(index: str, wanted: Path, allowed: Path, target: Target, root: Path) -> Outcome:
    markers = root / "markers.json"
    markers.write_text(json.dumps(target.markers), encoding="utf-8")
    report = root / "report.json"
    sys.argv = [
        *("foreign_pip.py", str(markers), "install", "--dry-run", "--ignore-installed", "--quiet"),
        *("--only-binary=:all:", "--no-cache-dir", f"--index-url={index}", f"--report={report}"),
        *(*target.pip_flags, "-r", str(wanted), "-c", str(allowed)),
    ]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            status = foreign_pip.main()
        except SystemExit as error:
            status = error.code
    text = said.getvalue()
    if status == 0:
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
        urls = {item["metadata"]["name"]: item["download_info"]["url"] for item in items}
        return Outcome(
            {canonicalize_name(n): unquote(url.rpartition("/")[2]) for n, url in urls.items()}
        )
    refused = status == 1 and "ERROR: " in text and "Traceback" not in text
    return Outcome(text=text, crashed=not refused)


def run(job: tuple[Scenario, Target]) -> Run:
    """Resolve one scenario for one target by both, in a process that does nothing else."""
    scenario, target = job
    catalogue = catalogue_of(scenario)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wanted = write_lines(root / "wanted.txt", scenario["root"], catalogue)
        allowed = write_lines(root / "allowed.txt", scenario.get("constraints", []), catalogue)
        start = time.perf_counter()
        ours = attempt(our_outcome, catalogue, wanted, allowed, target, root)
        seconds = time.perf_counter() - start
        index = catalogue.write_simple(root / "index")
        theirs = attempt(pip_outcome, index, wanted, allowed, target, root)
    return Run(ours, theirs, seconds)


def attempt(resolver: Callable[..., Outcome], *arguments: object) -> Outcome:
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    try:
        return resolver(*arguments)
    except (Exception, TooLong):  # noqa: BLE001 - whatever it is, the other runs go on
        return Outcome(text=traceback.format_exc(), crashed=True)
    finally:
        signal.alarm(0)


class TooLong(BaseException):
    """Not an Exception, which a resolver might take for a reason to refuse."""


def too_long(number: int, frame: object) -> None:
    raise TooLong(f"over {LIMIT} s")


def as_stated(expected: dict[str, object], ours: Outcome) -> bool:
    """Whether the outcome is the one that the peer states."""
    if expected["ok"] != (ours.files is not None):
        return False
    stated = {canonicalize_name(n): Version(v) for n, v in expected.get("packages", {}).items()}
    if not expected["ok"] or not stated:
        return True
    chosen = {name: Version(file.split("-")[1]) for name, file in ours.files.items()}
    if expected.get("subset"):
        return stated.items() <= chosen.items()
    return stated == chosen


def jobs_of(scenarios: list[Scenario]) -> tuple[list[tuple[Scenario, Target]], int]:
    """Return what there is to run, and how much is not, for a target that we do not know."""
    jobs = []
    refused = 0
    for scenario in scenarios:
        for platform in scenario["platforms"]:
            try:
                jobs.append((scenario, Target(scenario["python"], platform)))
            except InvalidTargetError as error:
                print(f"{scenario['id']} on {platform}: not run: {error}")
                refused += 1
    return jobs, refused


def compare(scenarios: list[Scenario], known: dict[str, str], texts: Path | None) -> bool:
    """Run all scenarios, print what differs and the summary; return whether all is well."""
    jobs, refused = jobs_of(scenarios)
    counts: Counter[str] = Counter()
    slowest = 0.0
    explained = []
    open_known = {scenario["id"] for scenario, _ in jobs} & known.keys()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with context.Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for (scenario, target), result in zip(jobs, pool.imap(run, jobs, 1), strict=True):
            name = f"{scenario['id']} on {target.id}"
            slowest = max(slowest, result.seconds)
            if result.crashed:
                verdict = "crashed"
            elif result.same:
                verdict = "agree"
            else:
                verdict = "known" if scenario["id"] in known else "unknown"
                open_known.discard(scenario["id"])
            counts[verdict] += 1
            if verdict in {"crashed", "unknown"}:
                print(
                    f"{name}: {verdict}\n  ours: {result.ours}\n  pip: {result.theirs}", flush=True
                )
            if expected := scenario.get("expected"):
                counts["stated" if as_stated(expected, result.ours) else "otherwise"] += 1
            if result.ours.files is None:
                explained.append(f"{name}\n{result.ours.text}\n")
    for scenario in sorted(open_known):
        print(f"{scenario}: agrees now, but is known to differ: {known[scenario]}")
    if texts is not None:
        texts.write_text("\n".join(explained), encoding="utf-8")
    print(
        f"{len(jobs)} runs: {counts['agree']} agree with pip {pip.__version__}, "
        f"{counts['known']} differ as known, {counts['unknown']} unknown"
        + (f", {counts['crashed']} crashed" if counts["crashed"] else "")
        + (f", {refused} not run" if refused else "")
        + f"; {counts['stated']} as the peer states, {counts['otherwise']} not; "
        f"slowest {slowest:.1f} s"
    )
    return not counts["unknown"] and not counts["crashed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the scenarios with this text in their id")
    parser.add_argument("--texts", type=Path, help="write how we explain each refusal to a file")
    options = parser.parse_args()
    if not SCENARIOS.is_dir():
        print("../shared/scenarios, beside the repository, is not there: nothing was run")
        return 2
    data = json.loads((SCENARIOS / "data.json").read_text(encoding="utf-8"))
    known = json.loads((SCENARIOS / "known.json").read_text(encoding="utf-8"))
    gone = sorted(known.keys() - {scenario["id"] for scenario in data})
    for scenario in gone:
        print(f"{scenario}: known to differ, but there is no such scenario")
    environment = clean_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for name in os.environ.keys() - environment:
        del os.environ[name]
    os.environ.update(environment)  # of every process that is forked
    chosen = [scenario for scenario in data if options.only in scenario["id"]]
    well = compare(chosen, known, options.texts)
    return 0 if well and not gone else 1


if __name__ == "__main__":
    sys.exit(main())

"""Compare our locks with those of pip itself: ``nox -s measure -- corpus [SET …]``.

pip runs under the shim of the referee, so it resolves for the target and not for this machine.
It resolves from the index here, with no lock to lean on: version and sha256 must be the same.
It needs an index and some time, so the tests do not contain it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import indexes
from packaging.utils import canonicalize_name

from devpi_warmup.errors import WarmupError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import config
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.process import run
from devpi_warmup.prove import foreign_pip
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
SHIM = Path(foreign_pip.__file__)
Pins = dict[str, tuple[str, str]]  # project: (version, sha256)


def pip_pins(target: Target, files: list[str], index: str) -> Pins | str:
    with tempfile.TemporaryDirectory() as folder:
        markers = Path(folder, "markers.json")
        markers.write_text(json.dumps(target.markers), encoding="utf-8")
        report = Path(folder, "report.json")
        done = run(
            [
                *(sys.executable, "-I", str(SHIM), str(markers), "install", "--dry-run"),
                *("--ignore-installed", "--quiet", f"--report={report}", "--no-cache-dir"),
                *("--only-binary=:all:", f"--index-url={index}", *target.pip_flags, *files),
            ],
            env=clean_environment(),
        )
        if done.returncode != 0:
            return done.last_lines(2)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {
        canonicalize_name(item["metadata"]["name"]): (
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in items
    }


def our_pins(target: Target, wanted: RequirementSet, fetcher: Fetcher) -> Pins | str:
    try:
        lock = resolve(wanted, Cell(target), fetcher)
    except WarmupError as error:
        return str(error)
    return {pin.project: (str(pin.version), pin.sha256) for pin in lock.pins}


def main() -> int:
    with indexes.index() as index:
        return compare(index, sys.argv[1:])


def compare(index: IndexUrl, names: list[str]) -> int:
    sets = tomllib.loads((HERE / "sets.toml").read_text(encoding="utf-8"))["sets"]
    names = names or list(sets)
    targets = [cell.target for cell in config.load(indexes.ROOT, {}).cells]
    equal = refused = 0
    differences = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for name in names:
            wheelhouse = Wheelhouse(Path(folder, name))
            with wheelhouse.held():
                wanted = Path(folder, f"{name}.txt")
                lines = [line for line in sets[name] if not line.startswith("-c ")]
                wanted.write_text("\n".join(lines), encoding="utf-8")
                allowed = Path(folder, f"{name}-constraints.txt")
                lines = [line[3:] for line in sets[name] if line.startswith("-c ")]
                allowed.write_text("\n".join(lines), encoding="utf-8")
                named = Sources(Path(folder), (Source(wanted),), constraints=(allowed,))
                loaded = load(named)
                fetcher = Fetcher(Index(Transport(index)), wheelhouse)
                ours = [our_pins(target, loaded, fetcher) for target in targets]
                fetcher.close()
            files = ["-r", str(wanted), "-c", str(allowed)]
            theirs = pool.map(lambda t, f=files: pip_pins(t, f, index.simple), targets)
            for target, mine, pips in zip(targets, ours, theirs, strict=True):
                if isinstance(mine, str) and isinstance(pips, str):
                    refused += 1
                elif mine == pips:
                    equal += 1
                else:
                    differences.append(f"{name} {target.id}:\n{describe(mine, pips)}")
                    print(differences[-1], flush=True)
            print(f"{name}: {equal} equal, {refused} refused by both", flush=True)
    print(f"{equal} equal, {refused} refused by both, {len(differences)} different")
    return bool(differences)


def describe(mine: Pins | str, pips: Pins | str) -> str:
    if isinstance(mine, str) or isinstance(pips, str):
        return f"  ours: {mine if isinstance(mine, str) else 'a lock'}\n  pip: " + (
            pips if isinstance(pips, str) else "a lock"
        )
    return "\n".join(
        f"  {project}: ours {mine.get(project)}, pip {pips.get(project)}"
        for project in sorted(mine.keys() | pips.keys())
        if mine.get(project) != pips.get(project)
    )


if __name__ == "__main__":
    sys.exit(main())

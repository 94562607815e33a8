"""What the whole command costs, beside other tools and a plain fetch of the same files.

``nox -s measure -- benchmark [ROUNDS]``; it writes docs/benchmark.md and docs/benchmark.svg.

Every command is a process of its own, in turn within one run, against one warm devpi-server on
loopback. Absolute times mean little; the ratios of the medians are the result. What is not
installed here is left out.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import contenders
import requests
import workloads
from contenders import Index
from indexes import ROOT, plain
from workloads import Workload

from devpi_warmup import process
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.private_server.server import PrivateServer

PARENT = (  # prints the seconds of CPU of what it ran, and the KiB of its largest process
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    "sys.exit(code)\n"
)
_TICKS = os.sysconf("SC_CLK_TCK")
_REQUEST = re.compile(rb" (GET|HEAD|POST) /")
_GOTTEN = re.compile(r" GET /\S*/([^/\s]+\.whl)(\.metadata)?\s")
_DOWNLOADED = re.compile(r"files downloaded so far \(([\d.]+) MB\)")


@dataclass
class Cost:
    """What one command took: seconds, of CPU its own and devpi's, requests, bytes of memory."""

    seconds: float
    own: float
    devpi: float
    requests: int
    peak: int
    said: str = ""


@dataclass
class Row:
    text: str
    costs: list[Cost] = field(default_factory=list)
    incomplete: str = "-"
    whole: tuple[int, int] = (0, 0)
    fetched: float = 0.0  # bytes, of those that the locks hold; 1.0 is all of them and no other

    def median(self, what: Callable[[Cost], float] = lambda cost: cost.seconds) -> float:
        return statistics.median(map(what, self.costs))


@dataclass
class Bench:
    """One folder, one server, and the rows measured so far."""

    folder: Path
    server: PrivateServer
    url: str
    settings: PipConfig
    rows: dict[str, Row] = field(default_factory=dict)

    def run(self, argv: list[str], cwd: Path, **environ: str) -> Cost:
        env = pip_config.clean_environment() | {"NOX_SCRIPT_MODE": "none"} | environ
        devpi, asked, begun = self._devpi(), self._asked(), time.perf_counter()
        whole = [sys.executable, "-c", PARENT, *argv]
        done = subprocess.run(whole, cwd=cwd, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
        assert done.returncode == 0, done.stdout + done.stderr
        own, peak = done.stdout.split()
        used = self._devpi() - devpi, self._asked() - asked
        return Cost(seconds, float(own), *used, int(peak) << 10, done.stderr)

    def add(self, name: str, text: str, cost: Cost) -> None:
        self.rows.setdefault(name, Row(text)).costs.append(cost)
        print(f"{name}: {cost.seconds:.1f} s", flush=True)

    def _devpi(self) -> float:
        pid = self.server.pid
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _asked(self) -> int:
        return len(_REQUEST.findall(self.server.log.read_bytes()))


def ours(bench: Bench, work: Workload, name: str, text: str, *, fresh: bool, url: str = "") -> None:
    root = bench.folder / "ours"
    if fresh:
        shutil.rmtree(root, ignore_errors=True)
    workloads.write(root, work)
    argv = [sys.executable, "-m", "nox", "-s", "warmup"]
    cost = bench.run(argv, root, DEVPI_INDEX=url or bench.url)
    bench.add(name, text, cost)
    bench.rows[name].incomplete = "0, proven"
    downloaded = _DOWNLOADED.findall(cost.said)
    locked = sum(path.stat().st_size for path in (root / "wheelhouse").glob("*.whl"))
    bench.rows[name].fetched = float(downloaded[-1]) * 1e6 / locked if downloaded else 0.0


def measure(bench: Bench, rounds: int) -> None:
    for number in range(rounds + 1):
        if number == 1:
            bench.rows.clear()  # the first round has warmed the server, and every disk
        for work in (workloads.W1, workloads.W2):
            ours(bench, work, f"{work.name} fresh", "`nox -s warmup`, empty wheelhouse", fresh=True)
            ours(bench, work, f"{work.name} again", "again, nothing changed", fresh=False)
            if work is workloads.W1:
                more = workloads.more(work)
                ours(bench, more, "W1 more", "again, and one target more", fresh=False)
                workloads.write(bench.folder / "ours", work)
            others(bench, work, long=number == 1)
        for count in workloads.COUNTS:
            work = workloads.many(count)
            ours(bench, work, f"many {count}", f"{count} targets", fresh=True)
        if number in {0, 1}:
            ours(bench, workloads.most(), "most", "", fresh=True)
        for session in ("-l", "-s plan"):
            argv = [sys.executable, "-m", "nox", *session.split()]
            bench.add(session, "", bench.run(argv, bench.folder / "ours"))
    cold(bench)


def others(bench: Bench, work: Workload, *, long: bool) -> None:
    index = Index(bench.url, bench.folder / "other", bench.folder / "ours" / "wheelhouse")
    for contender in contenders.ALL:
        if work.name not in contender.works or not contender.here():
            continue
        if contender.once and not long:
            continue
        shutil.rmtree(index.folder, ignore_errors=True)
        index.folder.mkdir()
        argv = contender.prepared(work, index)
        name = f"{work.name} {contender.name}"
        bench.add(name, contender.text, bench.run(argv, index.folder))
        bench.rows[name].incomplete = contender.incomplete(index)


def cold(bench: Bench) -> None:
    """Gather W1 through a server that holds nothing, and fetch its files through another."""
    (fetch,) = (contender for contender in contenders.ALL if contender.name == "fetch")
    for name in ("cold ours", "cold fetch", "backtracking"):
        server = PrivateServer(bench.folder / name, settings=bench.settings)
        try:
            url = server.start().url if name == "backtracking" else plain(server).url
            # It lists all projects before its first answer.
            requests.get(f"{url}/+simple/six/", timeout=300).raise_for_status()
            if name != "cold fetch":
                work = workloads.BACKTRACKING if name == "backtracking" else workloads.W1
                ours(bench, work, name, "", fresh=True, url=url)
                bench.rows[name].whole = whole(server, bench.folder / "ours" / "wheelhouse")
                continue
            index = Index(url, bench.folder / "cold", bench.folder / "ours" / "wheelhouse")
            index.folder.mkdir()
            argv = fetch.prepared(workloads.W1, index)
            bench.add(name, "", bench.run(argv, index.folder))
        finally:
            server.stop()


def whole(server: PrivateServer, wheelhouse: Path) -> tuple[int, int]:
    """Return how many wheels no lock holds were downloaded whole, of those that were looked at."""
    found = _GOTTEN.findall(server.log.read_text(encoding="utf-8", errors="replace"))
    locked = {path.name for path in wheelhouse.glob("*.whl")}
    downloaded = {name for name, metadata in found if not metadata} - locked
    return len(downloaded), len({name for name, _ in found} - locked)


HEAD = """| command | seconds: median, lowest to highest | of ours fresh \
| CPU: its own, devpi's | requests | largest process | targets without all projects |"""


def table(bench: Bench, work: str) -> str:
    rows = {name: row for name, row in bench.rows.items() if name.startswith(f"{work} ")}
    first = rows[f"{work} fresh"].median()
    lines = [
        HEAD,
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows.values():
        seconds = [cost.seconds for cost in row.costs]
        spread = f"{row.median():.1f}, {min(seconds):.1f} to {max(seconds):.1f}"
        if len(row.costs) == 1:
            spread = f"{seconds[0]:.1f}, measured once"
        cpu = f"{row.median(lambda c: c.own):.1f}, {row.median(lambda c: c.devpi):.1f}"
        peak = max(cost.peak for cost in row.costs) >> 20
        asked = f"{row.median(lambda c: c.requests):.0f}"
        lines.append(
            f"| {row.text} | {spread} | {row.median() / first:.2f} | {cpu} | {asked} "
            f"| {peak} MiB | {row.incomplete} |"
        )
    return "\n".join(lines)


PAGE = """\
# What it costs

Written by `nox -s measure -- benchmark {rounds}` on {cpus} processors, {system}, Python {python}: whole processes, in
turn within one run, {times} after one that warms it, against one warm devpi-server on loopback. Compare the ratios:
seconds are those of one machine. "Without all projects" counts targets for which a project of our lock has no file:
often a gap, though other versions may need other projects. The proof that devpi holds each file, and that real pip
accepts each lock offline, is in ours alone.

## W1: `{w1}`, for three Pythons on three platforms

{table1}

## W2: {count} popular requirements, for the same nine targets

{table2}

## Targets

`{many}` for more and more targets, empty wheelhouse: {targets}.

![time against the number of targets](benchmark.svg)

## More

| what | |
|---|---|
| W2 for 30 targets, empty wheelhouse | {most:.1f} s; largest process {peak} MiB |
| W1 through a devpi that holds nothing yet, after it has listed all projects | {cold:.1f} s; a plain fetch of the same \
files through another such {plain:.1f} s |
| ours without pip, beside a plain fetch of the same files and pages | W1 {w1_engine:.1f} times, W2 {w2_engine:.1f} times |
| `nox -l`, `nox -s plan` | {list:.2f} s, {plan:.2f} s |
| bytes downloaded, of those that the locks hold | W1 {w1_bytes:.0%}, W2 {w2_bytes:.0%}, `{back}` through the \
private server, which holds nothing yet, {back_bytes:.0%}: of {looked} wheels that were looked at and that no lock holds, \
{whole} were downloaded whole, as the registry has no METADATA of them alone |
"""


def page(bench: Bench, rounds: int) -> str:
    targets = ", ".join(
        f"{count} targets {bench.rows[f'many {count}'].median():.1f} s"
        for count in workloads.COUNTS
    )
    return PAGE.format(
        rounds=rounds,
        times="one round" if rounds == 1 else f"{rounds} rounds",
        cpus=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        w1=" ".join(workloads.W1.requirements),
        count=len(workloads.W2.requirements),
        many=" ".join(workloads.many(1).requirements),
        table1=table(bench, "W1"),
        table2=table(bench, "W2"),
        targets=targets,
        most=bench.rows["most"].median(),
        peak=bench.rows["most"].costs[0].peak >> 20,
        cold=bench.rows["cold ours"].median(),
        plain=bench.rows["cold fetch"].median(),
        w1_engine=bench.rows["W1 engine"].median() / bench.rows["W1 pages"].median(),
        w2_engine=bench.rows["W2 engine"].median() / bench.rows["W2 pages"].median(),
        list=bench.rows["-l"].median(),
        plan=bench.rows["-s plan"].median(),
        w1_bytes=bench.rows["W1 fresh"].fetched,
        w2_bytes=bench.rows["W2 fresh"].fetched,
        back=" ".join(workloads.BACKTRACKING.requirements),
        back_bytes=bench.rows["backtracking"].fetched,
        whole=bench.rows["backtracking"].whole[0],
        looked=bench.rows["backtracking"].whole[1],
    )


def drawing(bench: Bench) -> str:
    points = [(n, bench.rows[f"many {n}"].median()) for n in workloads.COUNTS]
    loop = bench.rows["W1 loop"].median() / 9 if "W1 loop" in bench.rows else 0.0
    wide, top = max(workloads.COUNTS), max(loop * max(workloads.COUNTS), points[-1][1]) * 1.1

    def at(n: float, seconds: float) -> str:
        return f"{60 + n / wide * 380:.0f},{260 - seconds / top * 230:.0f}"

    ours_ = " ".join(at(n, seconds) for n, seconds in points)
    theirs = " ".join(at(n, loop * n) for n, _ in points)
    labels = "".join(
        f'<text x="{52 + n / wide * 380:.0f}" y="280">{n}</text>' for n in workloads.COUNTS
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 300" font-family="sans-serif" '
        'font-size="13"><title>Seconds against the number of targets</title>'
        '<rect width="480" height="300" fill="white"/>'
        '<path d="M60 20V260H450" fill="none" stroke="black"/>'
        f'<text x="10" y="{270 - 230 / 1.1:.0f}">{top / 1.1:.0f} s</text>{labels}'
        f'<polyline points="{theirs}" fill="none" stroke="#b40" stroke-width="3"/>'
        f'<polyline points="{ours_}" fill="none" stroke="#06c" stroke-width="3"/>'
        '<text x="70" y="40" fill="#b40">the loop around pip download</text>'
        '<text x="70" y="60" fill="#06c">nox -s warmup</text></svg>\n'
    )


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
    settings = pip_config.read(process.run, sys.executable)
    server = PrivateServer(ROOT / ".devpi", settings=settings)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), server, plain(server).url, settings)
            measure(bench, rounds)
    finally:
        server.stop()
    text = page(bench, rounds)
    (ROOT / "docs" / "benchmark.md").write_text(text, encoding="utf-8")
    (ROOT / "docs" / "benchmark.svg").write_text(drawing(bench), encoding="utf-8")
    raw = {name: [cost.__dict__ for cost in row.costs] for name, row in bench.rows.items()}
    print(json.dumps({n: [c["seconds"] for c in costs] for n, costs in raw.items()}))
    print(text)


if __name__ == "__main__":
    main()

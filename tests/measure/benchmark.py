"""What the whole command costs, beside the usual loop and a plain fetch of the same files.

``nox -s measure -- benchmark [ROUNDS]``; it writes docs/benchmark.md and docs/benchmark.svg.

Every command is a process of its own, in turn within one run, against one warm devpi-server on
loopback. Absolute times mean little; the ratios of the medians are the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from indexes import ROOT, index

from devpi_warmup.index.transport import FILE_CONNECTIONS
from devpi_warmup.inputs.pip_config import clean_environment

REQUIREMENTS = ("pandas", "requests", "pydantic", "fastapi")
PYTHONS = ("3.9", "3.10", "3.13")
PLATFORMS = ("manylinux2014_x86_64", "win_amd64", "macosx_11_0_arm64")
MORE = "manylinux_2_28_x86_64"  # one more platform, most of whose files are those of another
NOXFILE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport devpi_warmup\n\ndevpi_warmup.register()\n"


@dataclass
class Place:
    """A repository of a user, and the server that it warms."""

    root: Path
    url: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def write(self, pythons: tuple[str, ...] = PYTHONS, more: tuple[str, ...] = ()) -> None:
        platforms = (*PLATFORMS, *more)
        table = f"pythons = {json.dumps(pythons)}\nplatforms = {json.dumps(platforms)}\n"
        if more:
            others = [f"cp{python.replace('.', '')}-{MORE}" for python in pythons[:-1]]
            table += f"exclude = {json.dumps(others)}\n"
        (self.root / "pyproject.toml").write_text(f"[tool.devpi-warmup]\n{table}")
        (self.root / "noxfile.py").write_text(NOXFILE)
        (self.root / "requirements").mkdir(exist_ok=True)
        (self.root / "requirements" / "main.txt").write_text("\n".join(REQUIREMENTS) + "\n")

    def clear(self) -> None:
        for name in ("wheelhouse", ".nox", "loop", "fetch"):
            shutil.rmtree(self.root / name, ignore_errors=True)

    def warmup(self) -> None:
        env = clean_environment() | {"DEVPI_INDEX": self.url, "NOX_SCRIPT_MODE": "none"}
        argv = [sys.executable, "-m", "nox", "-s", "warmup"]
        done = subprocess.run(argv, cwd=self.root, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def loop(self) -> None:
        for python in PYTHONS:
            for target in PLATFORMS:
                argv = [sys.executable, "-I", "-m", "pip", "download", "--quiet"]
                argv += ["--no-cache-dir", "--only-binary=:all:", f"--python-version={python}"]
                argv += [f"--platform={target}", f"--index-url={self.url}/+simple/"]
                argv += [f"--dest={self.root}/loop/{python}-{target}", *REQUIREMENTS]
                subprocess.run(argv, env=clean_environment(), stderr=subprocess.DEVNULL, check=True)

    def fetch(self) -> None:
        """Fetch every file of the locks, as their addresses on devpi are, and nothing else."""
        table = json.loads((self.root / "wheelhouse" / "manifest.json").read_text())["files"]
        place, threads = self.root / "fetch", threading.local()
        place.mkdir()

        def one(name: str, sha256: str) -> None:
            if not hasattr(threads, "session"):
                threads.session = requests.Session()
                threads.session.trust_env = False
            url = f"{self.url}/+f/{sha256[:3]}/{sha256[3:16]}/{name}"
            digest = hashlib.sha256()
            got = threads.session.get(url, stream=True, timeout=60)
            with got as answer, (place / name).open("wb") as stream:
                for piece in answer.iter_content(1 << 18):
                    digest.update(piece)
                    stream.write(piece)
            assert digest.hexdigest() == sha256

        with ThreadPoolExecutor(FILE_CONNECTIONS) as pool:
            list(pool.map(one, table, [entry["sha256"] for entry in table.values()]))

    def complete(self) -> int:
        """Of how many targets the loop has every file that the lock has."""
        targets = json.loads((self.root / "wheelhouse" / "manifest.json").read_text())["targets"]
        count = 0
        for entry in targets.values():
            got = {
                p.name
                for p in (self.root / "loop").glob(f"{entry['python']}-{entry['platform']}/*")
            }
            wanted = {name.partition("-")[0].lower() for name in entry["files"]}
            count += wanted <= {name.partition("-")[0].lower() for name in got}
        return count

    def time(self, name: str, run: Callable[[], None]) -> None:
        start = time.perf_counter()
        run()
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def measure(place: Place, rounds: int) -> int:
    """Take the rounds; return of how many targets the loop was complete."""
    for number in range(rounds + 1):
        if number == 1:
            place.seconds.clear()  # the first round has warmed the server, and every disk
        for count in (1, 2):
            place.clear()
            place.write(PYTHONS[:count])
            place.time(f"{3 * count} targets", place.warmup)
        place.clear()
        place.write()
        place.time("9 targets", place.warmup)
        place.time("again", place.warmup)
        place.write(more=(MORE,))
        place.time("again, and one more target", place.warmup)
        place.write()
        place.time("plain fetch", place.fetch)
        place.time("loop", place.loop)
    return place.complete()


PAGE = """\
# What it costs

Written by `nox -s measure -- benchmark {rounds}` on {cpus} processors, {system}, Python {python}.
`{requirements}` for three Pythons on three platforms, and a warm devpi-server on loopback; whole
processes, in turn, medians. Compare the ratios: seconds are those of one machine.

| command | seconds (median) | lowest to highest | the loop takes so many times as long |
|---|---|---|---|
{rows}

The loop leaves {incomplete} of 9 targets incomplete, and says nothing of it; ours are accepted by
pip, and every file is shown to be in devpi's store. Three targets take {three:.1f} s, six
{six:.1f} s, nine {nine:.1f} s. The largest process took {peak} MiB.

![time against the number of targets](benchmark.svg)
"""
ROWS = {
    "9 targets": "`nox -s warmup`, empty wheelhouse, no session environments",
    "again": "`nox -s warmup` again, nothing changed",
    "again, and one more target": "again, and one target more",
    "loop": "the loop around `pip download`",
    "plain fetch": "a plain concurrent fetch of the same files; no page is read",
}


def page(place: Place, rounds: int, complete: int) -> str:
    rows = []
    for name, text in ROWS.items():
        values, ratio = place.seconds[name], place.median("loop") / place.median(name)
        spread = f"{min(values):.1f} to {max(values):.1f}"
        rows.append(f"| {text} | {place.median(name):.1f} | {spread} | {ratio:.1f} |")
    return PAGE.format(
        rounds=rounds,
        cpus=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        requirements=" ".join(REQUIREMENTS),
        rows="\n".join(rows),
        incomplete=9 - complete,
        three=place.median("3 targets"),
        six=place.median("6 targets"),
        nine=place.median("9 targets"),
        peak=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
    )


def drawing(place: Place) -> str:
    points = [(n, place.median(f"{n} targets")) for n in (3, 6, 9)]
    per_target = place.median("loop") / 9
    top = max(per_target * 9, *(seconds for _, seconds in points)) * 1.1

    def at(n: float, seconds: float) -> str:
        return f"{60 + n * 40:.0f},{260 - seconds / top * 230:.0f}"

    ours = " ".join(at(n, seconds) for n, seconds in points)
    loop = " ".join(at(n, per_target * n) for n in (3, 6, 9))
    labels = "".join(f'<text x="{52 + n * 40}" y="280">{n}</text>' for n in (3, 6, 9))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 300" font-family="sans-serif" '
        'font-size="13"><title>Seconds against the number of targets</title>'
        '<rect width="480" height="300" fill="white"/>'
        '<path d="M60 20V260H440" fill="none" stroke="black"/>'
        f'<text x="10" y="{270 - 230 / 1.1:.0f}">{top / 1.1:.0f} s</text>{labels}'
        f'<polyline points="{loop}" fill="none" stroke="#b40" stroke-width="3"/>'
        f'<polyline points="{ours}" fill="none" stroke="#06c" stroke-width="3"/>'
        f'<text x="300" y="40" fill="#b40">the loop</text>'
        f'<text x="300" y="235" fill="#06c">nox -s warmup</text></svg>\n'
    )


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
    with index() as url, tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), url.url)
        complete = measure(place, rounds)
    text = page(place, rounds, complete)
    (ROOT / "docs" / "benchmark.md").write_text(text, encoding="utf-8")
    (ROOT / "docs" / "benchmark.svg").write_text(drawing(place), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

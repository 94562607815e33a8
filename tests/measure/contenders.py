"""Other ways to the same files; each is a script that is run, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexes import ROOT
from workloads import Workload

UV = {"manylinux2014_x86_64": "x86_64-manylinux2014", "win_amd64": "windows"}
NAB = {
    "manylinux2014_x86_64": {"id": "linux_x86_64", "runs-on-libc": "2.17"},
    "win_amd64": {"id": "windows_amd64"},
}


@dataclass(frozen=True)
class Index:
    """Where a contender gathers from, and where to; and what we have gathered."""

    url: str
    folder: Path
    wheelhouse: Path


@dataclass(frozen=True)
class Contender:
    name: str
    text: str
    script: Callable[[Workload, Index], str]
    needs: str = ""  # a program
    works: tuple[str, ...] = ("W1",)
    one_folder: bool = False  # for all targets together
    once: bool = False  # so long that one round shows what it is about

    def here(self) -> bool:
        return not self.needs or shutil.which(self.needs) is not None

    def prepared(self, work: Workload, index: Index) -> list[str]:
        (index.folder / "requirements.txt").write_text("\n".join(work.requirements) + "\n")
        script = index.folder / "script.py"
        head = "import subprocess, sys\nrun = lambda *argv: subprocess.run(argv, check=True)\n"
        script.write_text(head + self.script(work, index))
        return [sys.executable, str(script)]

    def incomplete(self, index: Index) -> str:
        """Of how many targets a project of our lock has no file."""
        if self.name in {"fetch", "pages", "engine"}:
            return "-"
        table = json.loads((index.wheelhouse / "manifest.json").read_text())["targets"]
        bad = 0
        for entry in table.values():
            where = "all" if self.one_folder else f"{entry['python']}-{entry['platform']}"
            got = {p.name.partition("-")[0].lower() for p in (index.folder / where).glob("*.whl")}
            bad += not {name.partition("-")[0].lower() for name in entry["files"]} <= got
        return str(bad)


def _each(work: Workload, line: Callable[[str, str], str]) -> str:
    return "".join(line(python, target) for python in work.pythons for target in work.platforms)


def _call(*words: str) -> str:
    return f"run({', '.join(map(repr, words))})\n".replace("'PYTHON'", "sys.executable")


def _pip(index: Index, python: str, target: str, *words: str) -> str:
    return _call(
        *("PYTHON", "-I", "-m", "pip", "download", "--quiet", "--no-cache-dir"),
        *("--only-binary=:all:", f"--python-version={python}", f"--platform={target}"),
        *(f"--index-url={index.url}/+simple/", f"--dest={index.folder}/{python}-{target}"),
        *words,
    )


def loop(work: Workload, index: Index) -> str:
    return _each(work, lambda python, target: _pip(index, python, target, *work.requirements))


def uv(work: Workload, index: Index) -> str:
    def line(python: str, target: str) -> str:
        lock = f"{index.folder}/{python}-{target}.txt"
        compiled = _call(
            *("uv", "pip", "compile", "--quiet", "--no-config", "--only-binary=:all:"),
            *(f"--cache-dir={index.folder}/cache", f"--python-version={python}"),
            *(f"--python-platform={UV.get(target, 'aarch64-apple-darwin')}",),
            *(f"--default-index={index.url}/+simple/", "--generate-hashes"),
            *(f"--output-file={lock}", f"{index.folder}/requirements.txt"),
        )
        return compiled + _pip(index, python, target, "--no-deps", "-r", lock)

    return _each(work, line)


def pex(work: Workload, index: Index) -> str:
    targets = []
    for python in work.pythons:
        short = python.replace(".", "")
        targets += [f"--platform={target}-cp-{short}-cp{short}" for target in work.platforms]
    return _call(
        *("pex3", "download", "--no-build", "--no-pypi", f"--index={index.url}/+simple/"),
        *(f"--pex-root={index.folder}/cache", f"--requirement={index.folder}/requirements.txt"),
        *(f"--dest-dir={index.folder}/all", *targets),
    )


def nab(work: Workload, index: Index) -> str:
    skipped = [f"!=3.{n}.*" for n in range(9, 14) if f"3.{n}" not in work.pythons]
    platforms: list[dict[str, Any]] = [
        NAB.get(t, {"id": "macos_arm64", "runs-on-macos": t.split("_")[1] + ".0"})
        for t in work.platforms
    ]
    tables = ", ".join(
        "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in one.items()) + "}"
        for one in platforms
    )
    (index.folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.9"\n'
        f"dependencies = {json.dumps(work.requirements)}\n"
        '[tool.nab]\nmode = "universal"\ndist-policy = "wheel-only"\n'
        f'[[tool.nab.indexes]]\nname = "devpi"\nurl = "{index.url}/+simple/"\n'
        f'[tool.nab.matrix]\npython = "{",".join([">=3.9", "<3.14", *skipped])}"\n'
        f"platforms = [{tables}]\n"
    )
    return _call(
        *("nab", "download", "--no-progress", "--cache-dir", f"{index.folder}/cache"),
        *("--output", f"{index.folder}/all", f"{index.folder}/pyproject.toml"),
    )


def engine(work: Workload, index: Index) -> str:
    """Resolve, fetch and prove as a run does, in one process, and ask no pip."""
    targets = [(python, target) for python in work.pythons for target in work.platforms]
    return f"""
sys.path.insert(0, {str(ROOT)!r})
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.opening import open_index
from devpi_warmup.index.sweep import Sweep
from devpi_warmup.inputs import sources
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.resolve.resolver import choose
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.warmth import Warmth
named = (sources.Source(Path.cwd() / "requirements.txt"),)
wanted = sources.load(sources.Sources(Path.cwd(), named))
wheelhouse = Wheelhouse(Path("wheelhouse"))
projects = (root.name for root in wanted.requirements)
opened = open_index(parse_index_url({index.url!r}), None, projects)
with wheelhouse.held(), ThreadPoolExecutor(1) as gatherer:
    fetcher = Fetcher(opened.index, wheelhouse)
    cells = [Cell(Target(python, target)) for python, target in {targets!r}]
    locks = [gatherer.submit(choose(wanted, cell, fetcher)) for cell in cells]
    files = {{pin.file for lock in locks for pin in lock.result().pins}}
    for file in files:
        fetcher.naming.published(file)
    proofs = Sweep(fetcher, opened.devpi)(files)
    assert {{proof.warmth for proof in proofs.values()}} == {{Warmth.WARM}}
    fetcher.close()
"""


def pages(_work: Workload, index: Index) -> str:
    """Fetch the page of each project in our locks, too, and parse its JSON."""
    table = json.loads((index.wheelhouse / "manifest.json").read_text())["files"]
    (index.folder / "pages.json").write_text(
        json.dumps(sorted({e["project"] for e in table.values()}))
    )
    return (
        fetch(_work, index)
        + f"""
def page(project):
    if not hasattr(threads, "session"):
        threads.session = requests.Session()
        threads.session.trust_env = False
    url = f"{index.url}/+simple/{{project}}/"
    accept = {{"Accept": "application/vnd.pypi.simple.v1+json"}}
    threads.session.get(url, headers=accept, timeout=60).json()
with ThreadPoolExecutor(5) as pool:
    list(pool.map(page, json.load(open("pages.json"))))
"""
    )


def fetch(_work: Workload, index: Index) -> str:
    """Fetch every file of our locks, as their addresses on devpi are, and nothing else."""
    table = json.loads((index.wheelhouse / "manifest.json").read_text())["files"]
    wanted = [(name, entry["sha256"]) for name, entry in table.items()]
    (index.folder / "wanted.json").write_text(json.dumps(wanted))
    return f"""
import hashlib, json, threading
from concurrent.futures import ThreadPoolExecutor
import requests
threads = threading.local()
def one(item):
    name, sha256 = item
    if not hasattr(threads, "session"):
        threads.session = requests.Session()
        threads.session.trust_env = False
    url = f"{index.url}/+f/{{sha256[:3]}}/{{sha256[3:16]}}/{{name}}"
    digest = hashlib.sha256()
    with threads.session.get(url, stream=True, timeout=60) as answer, open(name, "wb") as stream:
        for piece in answer.iter_content(1 << 18):
            digest.update(piece)
            stream.write(piece)
    assert digest.hexdigest() == sha256
with ThreadPoolExecutor(5) as pool:
    list(pool.map(one, json.load(open("wanted.json"))))
"""


BOTH = ("W1", "W2")
ALL = (
    Contender("loop", "the loop around `pip download`", loop),
    Contender(
        "uv",
        "`uv pip compile`, then `pip download --no-deps`, a target a time",
        uv,
        "uv",
        once=True,
    ),
    Contender("pex", "`pex3 download`, empty cache", pex, "pex3", one_folder=True, once=True),
    Contender("nab", "`nab download`, empty cache", nab, "nab", BOTH, one_folder=True),
    Contender(
        "engine", "ours without pip: resolve, fetch and prove, in one process", engine, works=BOTH
    ),
    Contender("pages", "a plain fetch of our files, then of their pages", pages, works=BOTH),
    Contender("fetch", "a plain fetch of our files, five at a time; no page", fetch, works=BOTH),
)

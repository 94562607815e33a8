from __future__ import annotations

import subprocess
import sys

import pytest

ctypes = pytest.importorskip("ctypes")  # some Pythons have none

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from devpi_warmup.memory import have_threads_share

if sys.argv[1:]:
    have_threads_share()
barrier = Barrier(4)


def take(_):
    kept = bytearray(100_000)
    barrier.wait()
    return len(kept)


with ThreadPoolExecutor(4) as pool:
    list(pool.map(take, range(4)))
    lines = open("/proc/self/maps").read().splitlines()
places = 0
for line in lines:
    if line.split()[1] == "---p" and line.split()[-1] == "0":
        begin, end = (int(side, 16) for side in line.split()[0].split("-"))
        places += end - begin > 60 << 20  # what an arena has in reserve, of its 64 MiB
print(places)
"""


def has_mallopt() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")


@pytest.mark.skipif(not has_mallopt(), reason="this system has no mallopt")
def test_threads_share_one_place_for_what_they_free() -> None:
    counted = [
        int(subprocess.run([sys.executable, "-c", PROGRAM, *how], capture_output=True).stdout)
        for how in ([], ["shared"])
    ]
    assert counted[0] > 0
    assert counted[1] == 0


def test_a_system_that_refuses_it_is_left_as_it_is() -> None:
    code = (
        "import sys\n"
        "def refuse(event, _):\n"
        "    if event == 'ctypes.dlopen': raise RuntimeError(event)\n"
        "sys.addaudithook(refuse)\n"
        "from devpi_warmup.memory import have_threads_share\n"
        "have_threads_share()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

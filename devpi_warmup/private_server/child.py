"""The private devpi-server's own process: ``python -I child.py FOLDER OPTION…``.

It runs in the server's environment, which has devpi-server and nothing of ours. It does what
must hold even when the run that started it is killed: one server for one data folder, a data
folder that is whole or not there, and an end when nobody is left at the other end of the pipe.
"""

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import IO


def main() -> int:
    """Wait for the data folder, make it if it is new, and serve until the pipe closes."""
    folder = Path(sys.argv[1])
    lock = (folder / "data.lock").open("a+b")
    _lock(lock)
    # A run in the background of a shell has SIGINT ignored, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    data = folder / "data"
    if not data.exists():
        fresh = folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        from devpi_server.init import init  # noqa: PLC0415

        if init(argv=["devpi-init", "--serverdir", str(fresh)]):
            return 1
        fresh.rename(data)
    os.environ.pop("DEVPISERVER_ROOT_PASSWD", None)
    from devpi_server.main import main as serve  # noqa: PLC0415

    serve(argv=["devpi-server", "--serverdir", str(data), *sys.argv[2:]])
    return 0


def _lock(stream: IO[bytes]) -> None:
    """Wait until no other server has the data folder; the system frees it with the process."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415

        msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)  # tries for ten seconds
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(stream, fcntl.LOCK_EX)


def _stop_with_parent() -> None:
    """Stop as Ctrl-C would when standard input ends: the run closed it, or is dead."""
    while os.read(0, 1 << 10):  # not through sys.stdin, which Python locks when it ends
        pass
    if sys.platform == "win32":
        os._exit(1)
    # To the main thread by name: any other would take the signal, and leave it in its select().
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101
    signal.pthread_kill(main_thread, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())

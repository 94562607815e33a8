"""Import pip once, and run scripts in forks of this process: ``python -I fork_server.py``.

It reads calls from its standard input, one a line: a number, and as JSON the files for stdout and
stderr, the script, and its arguments. Each is a fork, and its answer are the number and the exit
status. This file runs in the isolated environment of a session: it may import pip and nothing of
ours.
"""

import gc
import json
import os
import runpy
import select
import signal
import sys
import traceback


def main() -> int:
    """Answer calls until there are no more, and all are answered."""
    # What every call needs, imported once; nothing of it is run here.
    import pip._internal.cli.main  # noqa: PLC0415
    import pip._internal.commands.install  # noqa: PLC0415
    import pip._internal.network.session  # noqa: PLC0415
    import pip._internal.operations.install.wheel  # noqa: PLC0415

    pip._internal.network.session.user_agent()  # noqa: SLF001 - asks other programs, and keeps it
    gc.freeze()
    ended, end = os.pipe()  # the system writes into it when a fork has ended
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})  # who started us may block it
    calls: dict[int, str] = {}
    lines, more = b"", True
    while more or calls:
        ready, _, _ = select.select([ended, 0] if more else [ended], (), ())
        if 0 in ready:
            read = os.read(0, 1 << 16)
            more = bool(read)
            *whole, lines = (lines + read).split(b"\n")
            for line in whole:
                number, _, call = line.decode().partition(" ")
                calls[_forked(json.loads(call))] = number
        if ended in ready:
            os.read(ended, 1 << 16)
        _answer(calls)
    return 0


def _answer(calls: "dict[int, str]") -> None:
    """Say how forks have ended, of those that have."""
    while calls:
        child, how = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        number = calls.pop(child)
        sys.stdout.write(f"{number} {os.waitstatus_to_exitcode(how)}\n")
        sys.stdout.flush()


def _forked(call: "list[str]") -> int:
    """Begin with a call; return the fork that is at it."""
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stdout, stderr, *argv = call
        _run(argv, stdout, stderr)
    return child


def _run(argv: "list[str]", stdout: str, stderr: str) -> None:
    """Be that script, and end as an interpreter does."""
    status = 1
    try:
        for number, path in ((1, stdout), (2, stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, int) or ended.code is None:
            status = ended.code or 0
        else:
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001 - as an interpreter ends, in a fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())

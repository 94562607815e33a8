"""Import pip once, and run scripts in forks of this process: ``python -I fork_server.py``.

It reads calls from its standard input, one a line, as JSON: the files for stdout and stderr, the
script, and its arguments. Each is a fork, and its answer is the exit status. This file runs in the
isolated environment of a session: it may import pip and nothing of ours.
"""

import gc
import json
import os
import runpy
import sys
import traceback


def main() -> int:
    """Answer calls until there are no more."""
    # What every call needs, imported once; nothing of it is run here.
    import pip._internal.cli.main  # noqa: PLC0415
    import pip._internal.commands.install  # noqa: PLC0415
    import pip._internal.network.session  # noqa: PLC0415
    import pip._internal.operations.install.wheel  # noqa: PLC0415

    pip._internal.network.session.user_agent()  # noqa: SLF001 - asks other programs, and keeps it
    gc.freeze()
    for line in sys.stdin:
        stdout, stderr, *argv = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(argv, stdout, stderr)
        _, ended = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()
    return 0


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

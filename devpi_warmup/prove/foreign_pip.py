"""Run pip as if on another machine: ``python -I foreign_pip.py MARKERS.json install …``.

pip takes tags for another platform, but evaluates markers on the one it runs on
(https://github.com/pypa/pip/issues/11664). All of pip's marker evaluation goes through one
function of its vendored packaging; here that function returns the target's markers. This
file runs in the isolated environment of a session: it may import pip and nothing of ours.

With ``--serve`` it reads such calls from its standard input, one a line, as JSON: the files for
stdout and stderr, and the arguments. Each is a fork, and its answer is the exit status.
"""

import json
import os
import sys
import traceback
from pathlib import Path


def main() -> int:
    """Serve, or run pip once."""
    if sys.argv[1:] == ["--serve"]:
        serve()
        return 0
    return run(sys.argv[1], sys.argv[2:])


def run(markers_file: str, arguments: "list[str]") -> int:
    """Replace the marker environment, make sure that it took, and hand over to pip."""
    environment = json.loads(Path(markers_file).read_text(encoding="utf-8"))
    from pip._vendor.packaging import markers  # noqa: PLC0415

    markers.default_environment = environment.copy
    # The canary: a pip that asks elsewhere must not be believed.
    probe = " and ".join(f'{key} == "{value}"' for key, value in environment.items() if value)
    if not markers.Marker(probe).evaluate():
        sys.stderr.write("ERROR: this pip does not take the markers of another machine\n")
        return 3
    sys.argv = ["pip", *arguments]
    from pip._internal.cli.main import main as pip_main  # noqa: PLC0415 - after the change above

    return int(pip_main())


def serve() -> None:
    """Answer calls until there are no more."""
    # What every call needs, imported once; nothing of it is run here.
    import pip._internal.cli.main  # noqa: PLC0415
    import pip._internal.commands.install  # noqa: F401, PLC0415

    for line in sys.stdin:
        stdout, stderr, markers_file, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 2
            try:
                for number, path in ((1, stdout), (2, stderr)):
                    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                status = run(markers_file, arguments)
            except BaseException:  # noqa: BLE001 - as an interpreter ends, in a fork
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

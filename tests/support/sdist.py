"""Sdists whose backend comes with them, and does what a test says."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from catalogue import Upload, metadata

_BACKEND = """
import base64, hashlib, json, os, sys, zipfile
META = json.load(open("meta.json"))
exec(META["code"])

def get_requires_for_build_wheel(config_settings=None):
    return META["dynamic"]

def build_wheel(folder, config_settings=None, metadata_directory=None):
    exec(META["build"])
    stem = META["name"].replace("-", "_") + "-" + META["version"]
    files = {META["name"].replace("-", "_") + "/__init__.py": "", **META["files"]}
    info = stem + ".dist-info/"
    files[info + "METADATA"] = META["metadata"]
    files[info + "WHEEL"] = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: " + META["tag"] + "\\n"
    record = ""
    filename = stem + "-" + META["tag"] + ".whl"
    with zipfile.ZipFile(os.path.join(folder, filename), "w") as archive:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            record += f"{name},sha256={digest},{len(data)}\\n"
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.writestr(zipfile.ZipInfo(info + "RECORD"), record + info + "RECORD,,\\n")
    return filename
"""


def make_sdist(
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    static: tuple[str, ...] = (),
    dynamic: tuple[str, ...] = (),
    requires_python: str = "",
    tag: str = "py3-none-any",
    code: str = "",
    build: str = "",
    built_as: tuple[str, str] | None = None,
    files: dict[str, str] | None = None,
    final: bool = False,
) -> Upload:
    """Make an sdist.

    :param static: what ``[build-system] requires`` names
    :param dynamic: what the backend adds
    :param code: run when the backend is imported
    :param build: run when the wheel is built
    :param built_as: the name and version that the wheel says it is
    :param final: whether PKG-INFO says of itself that it holds for every wheel (PEP 643)
    """
    own, number = built_as or (name, version)
    meta = {
        "name": own,
        "version": number,
        "metadata": metadata(own, number, requires, (), requires_python),
        "dynamic": list(dynamic),
        "tag": tag,
        "code": code,
        "build": build,
        "files": files or {},
    }
    pyproject = (
        f"[build-system]\nrequires = {json.dumps(list(static))}\n"
        'build-backend = "backend"\nbackend-path = ["."]\n'
    )
    stem = f"{name.replace('-', '_')}-{version}"
    told = metadata(name, version, requires if final else ())
    contents = {
        f"{stem}/pyproject.toml": pyproject,
        f"{stem}/backend.py": _BACKEND,
        f"{stem}/meta.json": json.dumps(meta),
        f"{stem}/PKG-INFO": told.replace("2.1", "2.2", 1) if final else told,
    }
    return Upload(f"{stem}.tar.gz", make_tar(contents), requires_python)


def compiled(module: str, uses: str = "") -> str:
    """Return code of a build that compiles an extension module into the wheel.

    :param uses: a function of the C library that it calls
    """
    source = (
        "#define _GNU_SOURCE\n#include <Python.h>\n#include <pthread.h>\n#include <string.h>\n"
        f'static struct PyModuleDef def = {{PyModuleDef_HEAD_INIT, "{module}", 0, -1, 0}};\n'
        f"void *volatile kept;\nPyMODINIT_FUNC PyInit_{module}(void)"
        f"{{ {f'kept = (void *)&{uses};' if uses else ''} return PyModule_Create(&def); }}\n"
    )
    return (
        "import subprocess, sysconfig\n"
        f"open('m.c', 'w').write({source!r})\n"
        "subprocess.run(['gcc', '-shared', '-fPIC', '-g0', '-I', sysconfig.get_path('include'),"
        " 'm.c', '-o', 'm.so'], check=True)\n"
        f"META['files'] = {{'{module}' + sysconfig.get_config_var('EXT_SUFFIX'):"
        " open('m.so', 'rb').read()}\n"
        "abi = 'cp%d%d' % sys.version_info[:2]\n"
        "META['tag'] = f'{abi}-{abi}-linux_x86_64'"
    )


def make_tar(contents: dict[str, str], *more: tarfile.TarInfo) -> bytes:
    """Make a .tar.gz, the same each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, text in contents.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        for member in more:
            archive.addfile(member)
    return gzip.compress(stream.getvalue(), mtime=0)

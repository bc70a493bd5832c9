"""Read the folder ``files/`` of a bundle, whose files can be sources of settings."""
from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Dict

from ..errors import BadBundle, Reasons
from ..system.limits import PROBLEMS, SOURCE_FILE_BYTES, SOURCE_FILES, SOURCE_FILES_BYTES
from ..system.regular_files import NotRegular, TooLarge, read_regular
from ..system.run import Runner
from ..system.trees import walk
from ..system.words import printable

FOLDER = "files"
METADATA_TYPE = "node-plugin-files"
"""The type of a tar of that folder in a repository's metadata (``modifyrepo_c --mdtype``)."""
# as in the definition bundle-file of schema/node-plugin.rng
_NAME = re.compile(r"files(/[A-Za-z0-9._+@:\-]+)+")
MOST_CHARACTERS = 200


def is_bundle_file(source: str) -> bool:
    """Return whether the source of a setting is a file of the bundle, not one of a package."""
    return not source.startswith("/")


def read_files(directory: Path, *, source: str,
               reasons: Reasons) -> Dict[str, bytes]:
    """Return the content of each file in the folder ``files/`` of a bundle, by ``files/NAME``.

    ``directory`` is the bundle's folder, ``source`` its name in messages. Names are ASCII, so
    that no two of them look alike. The result is empty without that folder.

    A BadBundle for each link, special file, other name and large file is added to ``reasons``.
    Raises BadBundle for more than the limits allow.
    """
    folder = directory / FOLDER
    if not os.path.lexists(folder):
        return {}
    if folder.is_symlink() or not folder.is_dir():
        raise BadBundle(f"{source}: {FOLDER} is not a folder", hint="Make it a folder.",
                        code="files/form").at(FOLDER)
    files: Dict[str, bytes] = {}
    size_bytes = 0
    for entry in walk(folder, error=BadBundle):
        name = os.path.relpath(entry.path, directory)
        with reasons.collected():
            _check_name(name, source)
            if entry.is_dir(follow_symlinks=False):
                continue
            files[name] = _read(Path(entry.path), name, source)
            size_bytes += len(files[name])
        if len(reasons) >= PROBLEMS:
            break
        if len(files) > SOURCE_FILES or size_bytes > SOURCE_FILES_BYTES:
            raise BadBundle(
                f"{source}: {FOLDER}/ has more than {SOURCE_FILES} files, or"
                f" {SOURCE_FILES_BYTES} bytes",
                hint="It is for configuration. Put other files into a package.",
                code="bundle/limit")
    return files


def read_tar(tar: Path, *, source: str, run: Runner) -> Dict[str, bytes]:
    """Return what ``read_files`` returns, of a tar of the folder ``files/`` and nothing else.

    ``source`` is its name in messages. Raises BadBundle for another tar, and as ``read_files``
    and ``archive.unpack`` do.
    """
    from . import archive  # here, because most dnf runs read no archive

    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        into = Path(work) / "bundle"
        into.mkdir()
        archive.unpack(tar, into, run=run, limit_bytes=SOURCE_FILES_BYTES, name=source)
        if os.listdir(into) != [FOLDER]:
            raise BadBundle(f"{source} is not a tar of the folder {FOLDER}/ only",
                            hint=f"Make it by: tar --create --file={FOLDER}.tar {FOLDER}")
        reasons = Reasons()
        files = read_files(into, source=source, reasons=reasons)
        reasons.raise_first()
        return files


def _check_name(name: str, source: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > MOST_CHARACTERS:
        raise BadBundle(
            f"{source}: the name {printable(name[:MOST_CHARACTERS])!r} is not allowed in"
            f" {FOLDER}/", hint="Use letters, digits and . _ + @ : - only, and at most"
                                f" {MOST_CHARACTERS} characters.", code="files/name").at(name)


def _read(path: Path, name: str, source: str) -> bytes:
    shown = f"{source}: {name}"
    try:
        return read_regular(path, max_bytes=SOURCE_FILE_BYTES)
    except (NotRegular, TooLarge) as exc:
        raise BadBundle(f"{shown} is {exc.strerror}",
                        hint=f"{FOLDER}/ has regular files of at most {SOURCE_FILE_BYTES} bytes.",
                        code="files/form").at(name) from exc
    except OSError as exc:
        raise BadBundle(f"{shown} cannot be read: {exc.strerror}",
                        code="files/form").at(name) from exc

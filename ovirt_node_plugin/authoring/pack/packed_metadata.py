"""The metadata of a packed plugin's repository, which has the descriptor too."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import List, Sequence, Tuple

from ...errors import RolledBack
from ...packages.headers import build_time
from ...plugin import bundle_files
from ...plugin.descriptor import DESCRIPTOR_NAME, METADATA_TYPE
from ...system.run import Runner, explained
from ...system.source_date import source_date
from .packed_files import REPO, packages
from .packed_tar import write_tar

_TIMESTAMP = re.compile(rb"<timestamp>[0-9]+</timestamp>")
_FAILED = "the metadata of the packed repository cannot be made"
# which every createrepo_c can write, and every DNF can read
_COMPRESSION = "gz"


def date_of(paths: Sequence[Path]) -> int:
    """Return the time for a packed plugin: SOURCE_DATE_EPOCH, or when its newest RPM was built.

    It is 0 without both, so that the same files always become the same bytes.
    """
    date = source_date()
    return max(map(build_time, paths), default=0) if date is None else date


def make(folder: Path, date: int, *, run: Runner) -> None:
    """Make the metadata of the RPMs in a packed folder, all with the same ``date``.

    Raises RolledBack if createrepo_c fails.
    """
    repository = folder / REPO
    repository.mkdir(exist_ok=True)
    shutil.rmtree(repository / "repodata", ignore_errors=True)
    for path in packages(folder):
        os.utime(path, (date, date))
        _forget_checksums(path)
    with explained(_FAILED, RolledBack):
        run(["createrepo_c", "--quiet", "--no-database", f"--general-compress-type={_COMPRESSION}",
             "--checksum=sha256", f"--revision={date}", "--set-timestamp-to-revision", "--",
             repository])


def _forget_checksums(path: Path) -> None:
    """Remove the checksums that librepo keeps with a file.

    It believes them as long as the time of the file is the same, as it is when the RPM is signed.
    """
    with contextlib.suppress(OSError):  # the filesystem has no attributes
        for name in os.listxattr(path):
            if name.startswith("user.Librepo."):
                os.removexattr(path, name)


def add_plugin(folder: Path, date: int, *, run: Runner) -> None:
    """Add the descriptor and a tar of ``files/`` to the metadata of a packed folder.

    Raises RolledBack if modifyrepo_c fails.
    """
    metadata = folder / REPO / "repodata"
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        added: List[Tuple[str, Path]] = [(METADATA_TYPE, folder / DESCRIPTOR_NAME)]
        if (folder / bundle_files.FOLDER).is_dir():
            tar = Path(work) / f"{bundle_files.FOLDER}.tar"
            write_tar(folder / bundle_files.FOLDER, tar, name=bundle_files.FOLDER, date=date)
            added.append((bundle_files.METADATA_TYPE, tar))
        with explained(_FAILED, RolledBack):
            for kind, path in added:
                run(["modifyrepo_c", f"--mdtype={kind}", f"--compress-type={_COMPRESSION}",
                     path, metadata])
    _set_dates(metadata, date)


def _set_dates(metadata: Path, date: int) -> None:
    """Set the times in the index, as modifyrepo_c takes the present one, and those of the files."""
    index = metadata / "repomd.xml"
    index.write_bytes(_TIMESTAMP.sub(f"<timestamp>{date}</timestamp>".encode("ascii"),
                                     index.read_bytes()))
    for path in metadata.iterdir():
        os.utime(path, (date, date))

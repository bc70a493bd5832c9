"""A full host with systemd, dnf and the tools that settings need, to change and boot."""
from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Iterator

from .full_node import full_node

_RELEASE = ('ID="rhel"\nID_LIKE="fedora"\nNAME="Red Hat Enterprise Linux"\nVERSION_ID="9.4"\n'
            'PLATFORM_ID="platform:el9"\n')


@contextlib.contextmanager
def full_host_root(work: Path) -> Iterator[Path]:
    """Yield an overlay of the full Node with a host's os-release and without a kernel.

    It is mounted below ``work``, which must not be on an overlay, and unmounted at the end.
    A test that needs a kernel writes a small one. Raises CommandError if the tree is in use
    at the end; it then remains mounted.
    """
    with full_node().root(work) as root:
        (root / "etc/os-release").unlink()
        (root / "etc/os-release").write_text(_RELEASE, encoding="utf-8")
        shutil.rmtree(root / "usr/lib/modules")
        (root / "usr/lib/modules").mkdir()
        for initramfs in (root / "boot").glob("initramfs-*"):
            initramfs.unlink()
        yield root

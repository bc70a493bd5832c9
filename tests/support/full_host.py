"""A whole host with systemd, dnf and the tools of settings, to change and to boot."""
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
    """Yield an overlay of the full Node that says it is a host, and has no kernel.

    It is mounted below ``work``, which must not be on an overlay, and unmounted at the end.
    A test that needs a kernel makes a small one. Raises CommandError if something still
    uses the tree at the end, which is then still mounted.
    """
    with full_node().root(work) as root:
        (root / "etc/os-release").unlink()
        (root / "etc/os-release").write_text(_RELEASE, encoding="utf-8")
        shutil.rmtree(root / "usr/lib/modules")
        (root / "usr/lib/modules").mkdir()
        for initramfs in (root / "boot").glob("initramfs-*"):
            initramfs.unlink()
        yield root

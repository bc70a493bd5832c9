"""A root installed from the full Node's packages, and finished as an image's build does."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Sequence

from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.system.run import StrPath, run

from .. import image, node_build

# A shell mounts in a namespace that ends with rpm, and becomes rpm.
_WITH_DEVICES = ('mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec "$@"')


def install(root: Path, rpms: Sequence[Path]) -> None:
    """Install the packages into the new folder ``root``, scriptlets and all."""
    for name in ("dev", "proc"):
        (root / name).mkdir(parents=True)
    run(["unshare", "--mount", "--propagation", "private", "sh", "-c", _WITH_DEVICES, root,
         "rpm", "--root", root, "--dbpath", node_build.EL_DATABASE, "--define",
         "_db_backend sqlite", "--define", "_flush_io 0", "--nosignature", "--noplugins",
         "--excludedocs", "--upgrade", *rpms])


def finish(root: Path) -> None:
    """Make what EL's packages make when they are installed: caches, indexes, an initramfs."""
    (modules,) = (root / "usr/lib/modules").iterdir()
    in_root(root, "ldconfig")
    in_root(root, "depmod", modules.name)
    in_root(root, "update-ca-trust")
    in_root(root, "systemd-hwdb", "update")
    in_root(root, "semodule", "--noreload", "--build")
    run(["systemctl", f"--root={root}", "preset-all", "--preset-mode=enable-only"])
    in_root(root, "dracut", "--force", "--quiet", f"/boot/initramfs-{modules.name}.img",
            modules.name)
    node_build.finish(root, image.nvr(image.VERSIONS[0]))


def in_root(root: Path, *argv: StrPath) -> str:
    """Run a program in the root, with /dev, /proc and /tmp; return what it prints."""
    with tempfile.TemporaryDirectory(prefix="full-node") as work:
        return run(program.argv(root, [os.fspath(word) for word in argv], temporary=Path(work)))

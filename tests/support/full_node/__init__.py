"""A full Node: Debian's system under the names of EL's packages, owned by rpm.

Real where the small image has stand-ins: systemd, dbus, firewalld, SELinux' policy and
tools, dracut, a kernel, ca-certificates, multipath, bash and coreutils. What Debian has
not, such as vdsm, is from the small image.
"""
from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List

from ..cache import cached
from ..fixtures import fixtures
from ..rpms import HERE
from . import installing, names
from .debian import debian_tree, read_packages, writable
from .edited import EditedTree
from .habits import make_like_el
from .owners import owned_paths
from .specs import build, el_packages, read_source

__all__ = ["FullNode", "full_node", "in_root", "writable"]
_LOG = logging.getLogger(__name__)
# Packages of the small image whose files are in another package here.
_PARTED = ("device-mapper-multipath-libs", "kernel-modules", "kernel-modules-core")
in_root = installing.in_root


@dataclass(frozen=True)
class FullNode:
    """The image's root and vendors' packages, below one folder of the cache; never write there."""

    folder: Path

    @property
    def tree(self) -> Path:
        """The root as its build left it."""
        return self.folder / "root"

    def vendor(self, *package: str) -> List[Path]:
        """Return vendors' RPMs by their names."""
        return [path for name in package
                for path in sorted((self.folder / "vendors").glob(f"{name}-[0-9]*.rpm"))]

    @contextlib.contextmanager
    def root(self, work: Path) -> Iterator[Path]:
        """Yield an overlay of the root, mounted below ``work``; unmounted at the end.

        ``work`` must not be on an overlay.
        """
        with writable(self.tree, work) as root:
            yield root


@functools.lru_cache(maxsize=None)
def full_node() -> FullNode:
    """Return the full Node, made on the first call; that takes four minutes, root and a mirror."""
    return FullNode(cached(f"full-node-{_fingerprint()}", _build))


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{debian_tree()} {fixtures().folder}".encode())
    for path in sorted(HERE.glob("full_node/*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(out: Path, final: Path) -> None:
    started = time.monotonic()

    def say(what: str) -> None:
        _LOG.info("%5.1f s  %s", time.monotonic() - started, what)

    for old in final.parent.glob("full-node-*"):  # each takes half a gigabyte
        if old not in (out, final) and old.is_dir():
            shutil.rmtree(old)
    debian = debian_tree()
    packages = read_packages(debian)
    with writable(debian, out / "work") as root:
        tree = EditedTree(root)
        make_like_el(tree, packages)
        say("Debian's tree made like EL's")
        every = el_packages(packages, owned_paths(tree, packages))
        build(every, read_source(root, debian), out / "work/specs", out / "work/rpms")
        say(f"{len(every)} packages built")
    vendors = out / "vendors"
    vendors.mkdir()
    for name in names.VENDORS:
        for rpm in (out / "work/rpms").glob(f"{name}-[0-9]*.rpm"):
            rpm.rename(vendors / rpm.name)
    rpms = sorted((out / "work/rpms").glob("*.rpm"))
    have = {_name(rpm) for rpm in rpms}.union(_PARTED)
    rpms += [rpm for rpm in sorted(fixtures().image_repo().glob("*.rpm"))
             if _name(rpm) not in have]
    installing.install(out / "root", rpms)
    say("packages installed")
    installing.finish(out / "root")
    say("caches and the initramfs made")
    shutil.rmtree(out / "work")
    say("finished")


def _name(rpm: Path) -> str:
    return rpm.name.rsplit("-", 2)[0]

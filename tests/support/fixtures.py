"""The fixtures as tests take them: built once by content, then copied."""
from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from ovirt_node_plugin.system.run import run

from . import image, isos, plugins
from .cache import cache_root, cached
from .keys import SigningKey, load_key, make_key
from .rpms import HERE, SPECS, FixtureError, build_all, busybox, make_repo

_LOG = logging.getLogger(__name__)
_BUILDERS = ("fixtures.py", "foreign_plugins/imgbased-persist.py",
             "foreign_plugins/versionlock.py", "image.py", "keys.py", "kmod.py", "node_build.py",
             "plugins.py", "rpms.py")
_FAR_NS = 2145830400 * 10**9  # 2037-12-31
_TOOLS = ("rpmbuild", "createrepo_c", "depmod", "systemctl", "gpg")


@dataclass(frozen=True)
class Fixtures:
    """Roots, repositories and plugins below one folder of the cache; never write there."""

    folder: Path

    def node_root(self, dest: Path, version: str = "4.5.5") -> Path:
        """Copy a pristine Node image to ``dest``, which must not exist, and return it."""
        return copy_tree(self.folder / "roots" / f"node-{version}", dest)

    def host_root(self, dest: Path) -> Path:
        """Copy a pristine host to ``dest``, which must not exist, and return it."""
        return copy_tree(self.folder / "roots" / "host", dest)

    def bundle(self, name: str, version: Optional[str] = None, form: str = "folder") -> Path:
        """Return a plugin as a bundle: ``folder``, ``tar``, ``tar.gz``, ``tar.xz`` or ``tar.zst``.

        Without a version it is the only one, or the oldest: what an upgrade starts from.
        """
        label = self._source(name, version).label
        return self.folder / "plugins" / (label if form == "folder" else f"{label}.{form}")

    def repo(self, name: str, version: Optional[str] = None, *, repo_id: str = "") -> Path:
        """Return a plugin's repository with the descriptor in its metadata.

        Its ``.repo`` files lie in it. ``repo_id`` names another of the plugin's
        repositories, which has packages only.
        """
        source = self._source(name, version)
        return self.folder / "repos" / source.repo_name(repo_id or source.repo_ids[0])

    def iso(self, form: str, compressor: str = "zstd", version: str = "4.5.5") -> Path:
        """Return a bootable ISO of a version of the image, made now if it never was.

        ``form`` and ``compressor`` are of those that ``isos.make_iso`` knows.
        """
        name = f"{form}-{compressor}-{version}"
        root = self.folder / "roots" / f"node-{version}"

        def build(out: Path, final: Path) -> None:
            isos.make_iso(form, root, out / f"{name}.iso", compressor=compressor)

        made = cached(f"iso-{name}-{isos.fingerprint(self.folder.name)}", build)
        return made / f"{name}.iso"

    @property
    def key(self) -> SigningKey:
        """The key that signed the plugins' packages."""
        return load_key(self.folder / "keys")

    def image_repo(self, version: str = "4.5.5") -> Path:
        """Return the repository that a version of the image was made of."""
        return self.folder / "image-repos" / f"node-{version}"

    @property
    def host_repo(self) -> Path:
        """The host's base repository, enabled in its root."""
        return self.folder / "image-repos" / "host"

    def _source(self, name: str, version: Optional[str]) -> plugins.Source:
        for source in plugins.sources():
            if source.name == name and version in (None, source.version):
                return source
        raise FixtureError(f"there is no fixture plugin {name} {version or ''}".rstrip())


def fixtures() -> Fixtures:
    """Return the fixtures, built first if their sources or this machine's tools changed.

    The first call takes some ten seconds, and root.
    """
    return Fixtures(cached(_fingerprint(), _build))


def copy_tree(source: Path, dest: Path) -> Path:
    """Copy a tree with all that belongs to it, sharing blocks where that can be done."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", "--reflink=auto", "--no-target-directory", source, dest])
    return dest


@functools.lru_cache(maxsize=None)
def _fingerprint() -> str:
    """Return a name for all that the result depends on."""
    digest = hashlib.sha256(str(cache_root()).encode())
    for path in sorted([*SPECS.rglob("*"), *(HERE / name for name in _BUILDERS)]):
        if path.is_file():
            digest.update(f"{path.relative_to(HERE)}\0".encode() + path.read_bytes())
    for tool in _TOOLS:
        digest.update(run([tool, "--version"]).encode())
    digest.update(busybox().read_bytes())
    return digest.hexdigest()[:16]


def _build(out: Path, final: Path) -> None:
    """Build all fixtures into ``out``, which will be ``final``."""
    started = time.monotonic()

    def say(what: str) -> None:
        _LOG.info("%5.1f s  %s", time.monotonic() - started, what)

    work = out / "work"
    key = make_key(out / "keys")
    say("key made")
    build_all([*image.image_jobs(work / "images", repos_url=f"file://{final}/image-repos"),
               *plugins.plugin_jobs(work / "plugins")])
    say("packages built")
    plugins.share(image.newer_libvirt(work / "images"), work / "plugins", "libvirt")
    plugins.sign_plugins(work / "plugins", key)
    say("plugins' packages signed")
    plugins.write_plugins(work / "plugins", out, final=final, key=key)
    say("plugins written")
    _write_images(work, out)
    say("roots installed")
    shutil.rmtree(work)


def _write_images(work: Path, out: Path) -> None:
    """Install the roots, and make the repositories that they come from."""
    images = work / "images"
    base = image.base_packages(images) + plugins.built(work / "plugins", "snmp", "net-snmp-libs")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        tasks: List[Future[Path]] = [pool.submit(make_repo, out / "image-repos/host", base),
                 pool.submit(make_repo, out / "image-repos/ovirt"),
                 pool.submit(image.make_host, out / "roots/host", image.host_packages(images))]
        for version in image.VERSIONS:
            name, rpms = f"node-{version}", image.node_packages(images, version)
            tasks += [pool.submit(make_repo, out / "image-repos" / name, rpms),
                      pool.submit(image.make_node, out / "roots" / name, rpms, version)]
        for task in tasks:
            task.result()
    for version in image.VERSIONS:
        _fix_access_times(out / "roots" / f"node-{version}")


def _fix_access_times(root: Path) -> None:
    """Give every entry a time of access that reading does not change, being in the future.

    mkfs.ext4 copies it, so an image of the root would depend on who read the root before;
    mount(8), "relatime".
    """
    for folder, folders, files in os.walk(root, topdown=False):
        for path in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
            modified = os.lstat(path).st_mtime_ns
            os.utime(path, ns=(_FAR_NS, modified), follow_symlinks=False)

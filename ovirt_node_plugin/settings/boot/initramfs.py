"""The initramfs of each kernel, made again by the root's own dracut(8).

No descriptor asks for it: drivers and dracut modules that plugins need early do. It is
made of what all plugins want and once for all, as each looks first if it lacks anything.
What it was before stays beside it by another name, on the disk but for free in time, and
comes back, byte for byte, with the last plugin: made again it would be another one, since
its build had a time and options of its own. In the undo data it would be far too large.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence

from ...errors import Refused
from ...plugin.settings import Setting
from ...system import chroot
from ...system.entries import read_entry, sync_dir
from ...system.paths import resolve_inside
from ...system.regular_files import opened_regular
from ...system.run import Runner, StrPath
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Remnant, Wanted
from . import dracut_files
from .initramfs_images import KEPT, Content, images, is_file, parse

_NEW = "initramfs.img"


@dataclass(frozen=True)
class Initramfs:
    """The kind ``initramfs``: key the kernel version, value ``current``; parts as needs."""

    name: str = "initramfs"
    shared: bool = True
    follows_content: bool = True
    merged: bool = True  # the state before is not in the undo data

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the initramfs of each kernel that needs among ``wanted`` have to be in."""
        needs = [one for one in wanted if one.kind in dracut_files.KIND_NAMES]
        if not needs:
            return ()
        parts = tuple(f"{one.kind}:{one.key}" for one in needs)
        words = ", ".join(dracut_files.told(part) for part in parts)
        return tuple(
            Wanted(kind=self.name, key=version, value="current",
                   text=f"make the initramfs of kernel {version} again if it lacks {words}",
                   item=None, parts=parts)
            for version in images(ctx.root))

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Nothing can be wrong but what the kinds that imply it look for."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if wanted.key in images(ctx.root) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        places = images(ctx.root).get(wanted.key, ())
        return tuple(Watch(os.path.dirname(path), os.path.basename(path) + end, content=False)
                     for path in places for end in ("", KEPT))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Make it if it lacks anything. Raises Refused if dracut passed over something."""
        needs = wanted.parts
        if not _lacking(wanted.key, needs, ctx) and not _is_older(wanted.key, needs, ctx):
            return
        _make(wanted.key, ctx)
        left = _lacking(wanted.key, needs, ctx)
        if left:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but dracut passed over"
                f" {', '.join(left)}", hint="Its vendor has to say why; what dracut says of it"
                " shows dracut --force with the root's own configuration.")

    def remake(self, last: Remnant, ctx: Context) -> None:
        """Give back the one from before plugins; else make it with what is still wanted."""
        places = images(ctx.root).get(last.key, ())
        if last.kept:
            if places and _was_reconfigured(ctx.root / places[0], ctx.root):
                _make(last.key, ctx)
            return
        if places and not all(_is_kept(place, last, ctx.root) for place in places):
            _make(last.key, ctx)  # somebody made it again since: what is new stays in
            for place in places:
                (ctx.root / (place + KEPT)).unlink(missing_ok=True)
        for place in places:
            if os.path.lexists(ctx.root / (place + KEPT)):
                os.replace(ctx.root / (place + KEPT), ctx.root / place)
                sync_dir((ctx.root / place).parent)

    def replaced_files(self, root: Path) -> Sequence[str]:
        """Return all paths that making an initramfs again, or restoring it, may change."""
        return [place + end for places in images(root).values() for place in places
                for end in ("", KEPT)]

    def replaced_folders(self) -> Sequence[str]:
        return ()

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        """Say what of the plugin's needs it lacks; only the superuser can look inside."""
        if applied.key not in images(ctx.root):
            return (f"the initramfs of kernel {applied.key} is missing",)
        if os.geteuid() != 0:
            return ()
        needs = dracut_files.needs_of(ctx.plugin, ctx.root)
        return tuple(f"{one} is not in the initramfs of kernel {applied.key}"
                     for one in _lacking(applied.key, needs, ctx))


KIND = Initramfs()


def made_like(version: str, like: Path, work: Path, *, root: Path, run: Runner) -> Path:
    """Make an initramfs of a kernel of ``root`` that does what the one at ``like`` does.

    It has the modules of dracut that ``like`` has, as far as the root has them, and what
    the root's configuration says. ``like`` and ``work``, a folder for the result, which is
    returned, are host paths. Raises Refused where dracut makes none.
    """
    shutil.copyfile(like, work / "like.img")
    listing = run(_inside(root, work, "lsinitrd", "/tmp/like.img"))
    return _dracut(version, parse(listing), work, root=root, hostonly=False, run=run)


def _content(path: str, ctx: Context) -> Content:
    with _workplace() as work:
        return parse(ctx.run(_inside(ctx.root, work, "lsinitrd", f"/{path}")))


def _lacking(version: str, needs: Sequence[str], ctx: Context) -> List[str]:
    """Return which needs are not in the initramfs; a driver that the kernel lacks is none."""
    places = images(ctx.root).get(version)
    if not places or not needs:
        return []
    there = _content(places[0], ctx)
    offered = dracut_files.loadable(version, ctx.root)
    found = []
    for need in needs:
        kind, _, name = need.partition(":")
        if kind == dracut_files.DRIVER:
            lacks = name in offered and name not in there.drivers
        else:
            lacks = name not in there.modules
        if lacks:
            found.append(dracut_files.told(need))
    return found


def _is_older(version: str, needs: Sequence[str], ctx: Context) -> bool:
    """Say if what the plugin brings for it is newer than the initramfs."""
    made_ns = (ctx.root / images(ctx.root)[version][0]).stat().st_mtime_ns \
        if version in images(ctx.root) else sys.maxsize
    for path in ctx.files:
        if dracut_files.serves(path, version, needs):
            with contextlib.suppress(OSError):
                if resolve_inside(ctx.root, path).stat().st_ctime_ns > made_ns:
                    return True
    return False


def _was_reconfigured(image: Path, root: Path) -> bool:
    """Say if drop-ins came, went or were changed since an initramfs was made."""
    folder = resolve_inside(root, dracut_files.FOLDER)
    made_ns = image.stat().st_mtime_ns
    return not folder.is_dir() or any(
        path.lstat().st_ctime_ns > made_ns for path in (folder, *folder.iterdir()))


def _is_kept(place: str, last: Remnant, root: Path) -> bool:
    """Say if one can be given back: it was kept, and nobody else made another one since."""
    was, kept = last.bases.get(place), read_entry(root, place + KEPT, content=False)
    if place not in last.bases:
        return kept is None  # no plugin changed it
    return (place not in last.drifted and was is not None and kept is not None
            and was.digest == kept.digest)


def _make(version: str, ctx: Context) -> None:
    """Make it with the configuration of the root, and what was in it before plugins came."""
    places = images(ctx.root).get(version)
    if not places:
        return
    first = places[0] + KEPT if is_file(ctx.root / (places[0] + KEPT)) else places[0]
    before = _content(first, ctx)
    with _workplace() as work:
        # of a machine that nobody knows here, nothing is left out
        made = _dracut(version, before, work, root=ctx.root, hostonly=ctx.live, run=ctx.run)
        for place in places:
            _put(made, ctx.root / place)


def _dracut(version: str, before: Content, work: Path, *, root: Path, hostonly: bool,
            run: Runner) -> Path:
    """Make an initramfs in ``work`` with the modules of dracut that there were ``before``."""
    argv: List[str] = ["dracut", "--force", "--reproducible"]
    if not hostonly:
        argv.append("--no-hostonly")
    modules = before.modules & dracut_files.modules_there(root)
    if modules:
        argv += ["--add", " ".join(sorted(modules))]
    run(_inside(root, work, *argv, "--kver", version, f"/tmp/{_NEW}"))
    if not is_file(work / _NEW):
        raise Refused(f"dracut made no initramfs of kernel {version}",
                      hint="Run it in the root by hand to see why.")
    return work / _NEW


def _put(new: Path, place: Path) -> None:
    """Put a new one in place of the old one, which stays by its other name."""
    info = place.stat()
    kept = place.with_name(place.name + KEPT)
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with open(handle, "wb") as target, opened_regular(new) as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fchown(target.fileno(), info.st_uid, info.st_gid)
            os.fchmod(target.fileno(), stat.S_IMODE(info.st_mode))
            os.fsync(target.fileno())
        if not os.path.lexists(kept):
            try:
                os.link(place, kept)
            except OSError:  # a filesystem without links, such as that of the firmware
                os.rename(place, kept)
        os.replace(name, place)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_dir(place.parent)


def _inside(root: Path, work: Path, *argv: str) -> List[StrPath]:
    return [sys.executable, "-I", chroot.__file__, root, work, *argv]


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """Yield a folder of this machine that may become large."""
    place = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="node-plugin-initramfs-", dir=place) as name:
        yield Path(name)

"""The initramfs of each kernel, rebuilt by the root's own dracut(8).

It is implied by drivers and dracut modules that plugins need early. It is rebuilt once for
all plugins, as each first checks whether a need is missing. The initramfs from before any
plugin is kept beside it under another name, as it is too large for the undo data, and
restored with the last plugin: a rebuilt one would differ, as its build had other options.
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
from ...isolation import program
from ...plugin.settings import Setting
from ...system.differences import MISSING
from ...system.entries import read_entry, sync_dir
from ...system.paths import resolve_inside
from ...system.regular_files import opened_regular
from ...system.run import Runner
from ...target import is_booted, is_image_mode, is_running_system
from ...undo.changes import Applied, Watch
from ..kit.model import Context, DerivedRemoval, SettingProblem, Wanted
from . import dracut_files
from .initramfs_images import KEPT, Content, images, is_file, parse

_NEW = "initramfs.img"
_OSTREE = "ostree"  # the dracut module without which no deployment is found at boot


@dataclass(frozen=True)
class Initramfs:
    """The kind ``initramfs``: key is the kernel version, value ``current``, parts are needs."""

    name: str = "initramfs"
    shared: bool = True
    follows_content: bool = True
    merged: bool = True  # the state before is not in the undo data

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the initramfs of each kernel if there are needs among ``wanted``."""
        needs = [setting for setting in wanted if setting.kind in dracut_files.KIND_NAMES]
        if not needs:
            return ()
        parts = tuple(f"{need.kind}:{need.key}" for need in needs)
        words = ", ".join(map(dracut_files.need_text, parts))
        return tuple(
            Wanted(kind=self.name, key=version, value="current",
                   text=f"make the initramfs of kernel {version} again if it lacks {words}",
                   item=None, parts=parts)
            for version in images(ctx.root))

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Check nothing: the kinds that imply it do."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if wanted.key in images(ctx.root) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        places = images(ctx.root).get(wanted.key, ())
        return tuple(Watch(os.path.dirname(path), os.path.basename(path) + end, content=False)
                     for path in places for end in ("", KEPT))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Rebuild it if a need is missing. Raises Refused if dracut left one out."""
        needs = wanted.parts
        if not _lacking(wanted.key, needs, ctx) and not _is_older(wanted.key, needs, ctx):
            return
        _make(wanted.key, ctx)
        missing = _lacking(wanted.key, needs, ctx)
        if missing:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but dracut left out"
                f" {', '.join(missing)}", hint="Its vendor has to say why; what dracut says of it"
                " shows dracut --force with the root's own configuration.")

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        """Rebuild it with the remaining needs; without any, restore the one before any plugin."""
        places = images(ctx.root).get(removal.key, ())
        if removal.kept:
            if places and _was_reconfigured(ctx.root / places[0], ctx.root):
                _make(removal.key, ctx)
            return
        if places and not all(_is_kept(place, removal, ctx.root) for place in places):
            _make(removal.key, ctx)  # it was rebuilt since: keep what is new in it
            for place in places:
                (ctx.root / (place + KEPT)).unlink(missing_ok=True)
        for place in places:
            if os.path.lexists(ctx.root / (place + KEPT)):
                os.replace(ctx.root / (place + KEPT), ctx.root / place)
                sync_dir((ctx.root / place).parent)

    def replaced_files(self, root: Path) -> Sequence[str]:
        """Return all paths that rebuilding or restoring an initramfs may change."""
        return [place + end for places in images(root).values() for place in places
                for end in ("", KEPT)]

    def replaced_folders(self) -> Sequence[str]:
        return ()

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        """Return a problem for each missing need; only root can read an initramfs."""
        if applied.key not in images(ctx.root):
            return (SettingProblem(f"the initramfs of kernel {applied.key} is missing",
                                   differences=(MISSING,)),)
        if os.geteuid() != 0:
            return ()
        needs = dracut_files.needs_of(ctx.plugin, ctx.root)
        return tuple(SettingProblem(f"{need} is not in the initramfs of kernel {applied.key}",
                                    differences=(MISSING,))
                     for need in _lacking(applied.key, needs, ctx))


KIND = Initramfs()


def made_like(version: str, like: Path, work: Path, *, root: Path, run: Runner) -> Path:
    """Build an initramfs of a kernel of ``root`` with the dracut modules of that at ``like``.

    Modules that the root does not have are left out; the root's configuration applies.
    ``like``, ``work``, a folder for the result, and the result are host paths. Raises
    Refused if dracut builds none.
    """
    shutil.copyfile(like, work / "like.img")
    listing = run(program.argv(root, ["lsinitrd", "/tmp/like.img"], temporary=work))
    return _dracut(version, parse(listing), work, root=root, hostonly=False, run=run)


def _content(path: str, ctx: Context) -> Content:
    words = ["lsinitrd", f"/{path}"]
    if _is_container_build(ctx.root):
        return parse(ctx.run(words))
    with _workplace() as work:
        return parse(ctx.run(program.argv(ctx.root, words, temporary=work, live=ctx.live)))


def _is_container_build(root: Path) -> bool:
    """Return whether ``root`` is ``/`` and no systemd runs.

    Its programs are not sealed: a container build has no right to make namespaces.
    """
    return is_running_system(root) and not is_booted(root)


def _lacking(version: str, needs: Sequence[str], ctx: Context) -> List[str]:
    """Return the needs missing in the initramfs, except drivers that the kernel does not have."""
    places = images(ctx.root).get(version)
    if not places or not needs:
        return []
    image = _content(places[0], ctx)
    offered = dracut_files.loadable(version, ctx.root)
    missing = []
    for need in needs:
        kind, _, name = need.partition(":")
        if kind == dracut_files.DRIVER:
            lacks = name in offered and name not in image.drivers
        else:
            lacks = name not in image.modules
        if lacks:
            missing.append(dracut_files.need_text(need))
    return missing


def _is_older(version: str, needs: Sequence[str], ctx: Context) -> bool:
    """Return whether the initramfs is older than a file of the plugin for it."""
    made_ns = (ctx.root / images(ctx.root)[version][0]).stat().st_mtime_ns \
        if version in images(ctx.root) else sys.maxsize
    for path in ctx.files:
        if dracut_files.serves(path, version, needs):
            with contextlib.suppress(OSError):
                if resolve_inside(ctx.root, path).stat().st_ctime_ns > made_ns:
                    return True
    return False


def _was_reconfigured(image: Path, root: Path) -> bool:
    """Return whether drop-ins were added, removed or changed since an initramfs was built."""
    folder = resolve_inside(root, dracut_files.FOLDER)
    made_ns = image.stat().st_mtime_ns
    return not folder.is_dir() or any(
        path.lstat().st_ctime_ns > made_ns for path in (folder, *folder.iterdir()))


def _is_kept(place: str, removal: DerivedRemoval, root: Path) -> bool:
    """Return whether the old initramfs can be restored: it is kept, and none was built since."""
    was, kept = removal.bases.get(place), read_entry(root, place + KEPT, content=False)
    if place not in removal.bases:
        return kept is None  # no plugin changed it
    return (place not in removal.drifted and was is not None and kept is not None
            and was.digest == kept.digest)


def _make(version: str, ctx: Context) -> None:
    """Build it with the configuration of the root and the modules from before any plugin."""
    places = images(ctx.root).get(version)
    if not places:
        return
    first = places[0] + KEPT if is_file(ctx.root / (places[0] + KEPT)) else places[0]
    before = _content(first, ctx)
    with _workplace() as work:
        # for another machine, nothing may be left out
        built = _dracut(version, before, work, root=ctx.root, hostonly=ctx.live, run=ctx.run)
        for place in places:
            _put(built, ctx.root / place)


def _dracut(version: str, before: Content, work: Path, *, root: Path, hostonly: bool,
            run: Runner) -> Path:
    """Build an initramfs in ``work`` that also has the dracut modules ``before``."""
    argv: List[str] = ["dracut", "--force", "--reproducible"]
    if not hostonly:
        argv.append("--no-hostonly")
    wanted = before.modules | ({_OSTREE} if is_image_mode(root) else set())
    modules = wanted & dracut_files.modules_there(root)
    if modules:
        argv += ["--add", " ".join(sorted(modules))]
    if _is_container_build(root):
        run([*argv, "--kver", version, str(work / _NEW)])
    else:
        run(program.argv(root, [*argv, "--kver", version, f"/tmp/{_NEW}"], temporary=work,
                         live=hostonly))
    if not is_file(work / _NEW):
        raise Refused(f"dracut made no initramfs of kernel {version}",
                      hint="Run it in the root by hand to see why.")
    return work / _NEW


def _put(new: Path, place: Path) -> None:
    """Replace the old initramfs, which is kept under its other name."""
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
            except OSError:  # a filesystem without hard links, such as vfat
                os.rename(place, kept)
        os.replace(name, place)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_dir(place.parent)


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """Yield a temporary folder of this machine with space for an initramfs."""
    place = os.environ.get("TMPDIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="node-plugin-initramfs-", dir=place) as name:
        yield Path(name)

"""Loop, bind and overlay mounts as context managers, never unmounted lazily."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import Iterator, List, Sequence

from ..errors import CommandError
from ..system.entries import read_xattrs
from ..system.namespaces import end_others
from ..system.run import Runner, StrPath

_BUSY_S, _PAUSE_S = 30, 0.1
_ESCAPED = r"\\\g<0>"
UPPER = "upper"
"""The folder with the changes, in the work folder of an overlay."""


@contextlib.contextmanager
def mounted(source: StrPath, at: Path, *, kind: str = "", options: Sequence[str] = (),
            run: Runner) -> Iterator[Path]:
    """Mount ``source`` on the folder ``at`` with mount(8), and yield ``at``.

    ``kind`` is a filesystem type, ``options`` those of ``mount -o``. Raises CommandError if
    the mount fails, or if it is still in use at the end.
    """
    argv: List[StrPath] = ["mount"]
    if kind:
        argv += ["--types", kind]
    if options:
        argv += ["--options", ",".join(options)]
    run([*argv, "--", source, at])
    try:
        yield at
    finally:
        _unmount(at, run)


@contextlib.contextmanager
def loop_mounted(file: Path, at: Path, *, kind: str, run: Runner, offset: int = 0,
                 size: int = 0, writable: bool = False,
                 options: Sequence[str] = ()) -> Iterator[Path]:
    """Mount the filesystem at the byte ``offset`` of ``file`` through a loop device.

    The kernel removes the device with the mount. ``size`` is in bytes, 0 for the rest of the
    file.
    """
    # scriptlets run in a writable root, and need the device files in it
    words = [*(["rw"] if writable else ["ro", "nodev"]), *options]
    span = [*([f"offset={offset}"] if offset else []), *([f"sizelimit={size}"] if size else [])]
    with contextlib.ExitStack() as stack:
        try:
            mount_point = stack.enter_context(mounted(
                file, at, kind=kind, run=run, options=["loop", *span, *words]))
        except CommandError as exc:
            if "overlapping loop device" not in exc.output:
                raise
            with loop_device(file, offset, size, writable=writable, run=run) as device:
                mount_point = stack.enter_context(mounted(
                    device, at, kind=kind, run=run, options=words))
        yield mount_point


@contextlib.contextmanager
def loop_device(file: Path, offset: int, size: int, *, writable: bool = False,
                run: Runner) -> Iterator[str]:
    """Yield a new loop device of ``file``; mount(8) makes none if the file has another one.

    It is detached at the end, or later with the last mount of it.
    """
    argv: List[StrPath] = ["losetup", "--find", "--show", "--offset", str(offset)]
    if size:
        argv += ["--sizelimit", str(size)]
    if not writable:
        argv.append("--read-only")
    device = run([*argv, "--", file]).strip()
    try:
        yield device
    finally:
        run(["losetup", "--detach", device])


@contextlib.contextmanager
def bind_mounted(source: Path, at: Path, *, writable: bool = False,
                 run: Runner) -> Iterator[Path]:
    """Bind the folder or file ``source`` to ``at``, read-only unless ``writable``."""
    with mounted(source, at, options=["bind"], run=run) as mount_point:
        if not writable:
            run(["mount", "--options", "remount,bind,ro", "--", at])
        yield mount_point


@contextlib.contextmanager
def overlaid(lower: Path, work: Path, at: Path, *, options: Sequence[str] = (),
             run: Runner) -> Iterator[Path]:
    """Mount an overlay of ``lower`` on ``at``. Changes are written to the folder ``work``.

    With a work folder of an earlier overlay, the earlier changes are there again. A hard link
    of the lower tree remains one when it is changed (the kernel's overlayfs.rst, "index").
    """
    upper, scratch = work / UPPER, work / "work"
    if not upper.exists():
        upper.mkdir()
        _copy_attributes(lower, upper)
    scratch.mkdir(exist_ok=True)
    # a comma ends a path, a colon separates lower folders, and a backslash escapes both
    paths = [f"{name}={re.sub(special, _ESCAPED, str(path))}" for name, special, path in (
        ("lowerdir", r"[\\:,]", lower), ("upperdir", r"[\\,]", upper),
        ("workdir", r"[\\,]", scratch))]
    words = [*options, *paths, "index=on", "redirect_dir=off", "metacopy=off"]
    with mounted("overlay", at, kind="overlay", options=words, run=run) as mount_point:
        yield mount_point


def _copy_attributes(lower: Path, upper: Path) -> None:
    """Copy the attributes of ``lower`` to ``upper``, whose attributes the overlay's root shows."""
    info = lower.stat()
    os.chown(upper, info.st_uid, info.st_gid)
    shutil.copymode(lower, upper)
    for name, value in read_xattrs(lower):
        os.setxattr(upper, name, value)
    os.utime(upper, ns=(info.st_atime_ns, info.st_mtime_ns))


def _unmount(at: Path, run: Runner) -> None:
    """Unmount, and try again for a while if the mount is busy.

    The kernel releases a loop device, and the file below it, some time after the filesystem
    was unmounted: when the last process that reads the device has closed it.
    """
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            run(["umount", "--", at])
            return
        except CommandError as exc:
            if "busy" not in exc.output or time.monotonic() > until:
                raise
            end_others()
        time.sleep(_PAUSE_S)

"""Mounts with a lifetime: loop, bind and overlay, never taken away lazily."""
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


@contextlib.contextmanager
def mounted(source: StrPath, at: Path, *, kind: str = "", options: Sequence[str] = (),
            run: Runner) -> Iterator[Path]:
    """Mount ``source`` on the folder ``at`` with mount(8), and yield ``at``.

    ``kind`` is a filesystem type, ``options`` those of ``mount -o``. Raises CommandError
    if it cannot be mounted, or is still in use at the end.
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
    """Mount a filesystem in ``file``, from the byte ``offset`` on, by a loop device.

    The device goes with the mount, as mount(8) sets it up to. ``size`` is in bytes, 0 for
    all that follows.
    """
    # on a root that scriptlets run in, its devices work as on an unpacked one
    words = [*(["rw"] if writable else ["ro", "nodev"]), *options]
    span = [*([f"offset={offset}"] if offset else []), *([f"sizelimit={size}"] if size else [])]
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(mounted(file, at, kind=kind, run=run,
                                                options=["loop", *span, *words]))
        except CommandError as exc:
            if "overlapping loop device" not in exc.output:
                raise
            device = _device(file, offset, size, writable, run)
            try:
                place = stack.enter_context(mounted(device, at, kind=kind, run=run,
                                                    options=words))
            finally:
                # with the mount, or now where there is none
                run(["losetup", "--detach", device])
        yield place


def _device(file: Path, offset: int, size: int, writable: bool, run: Runner) -> str:
    """Return a loop device of a file of which somebody has another; mount(8) makes none then."""
    argv: List[StrPath] = ["losetup", "--find", "--show", "--offset", str(offset)]
    if size:
        argv += ["--sizelimit", str(size)]
    if not writable:
        argv.append("--read-only")
    return run([*argv, "--", file]).strip()


@contextlib.contextmanager
def bound(source: Path, at: Path, *, writable: bool = False, run: Runner) -> Iterator[Path]:
    """Have the folder or file ``source`` at ``at`` too, read-only unless ``writable``."""
    with mounted(source, at, options=["bind"], run=run) as place:
        if not writable:
            run(["mount", "--options", "remount,bind,ro", "--", at])
        yield place


@contextlib.contextmanager
def overlaid(lower: Path, work: Path, at: Path, *, options: Sequence[str] = (),
             run: Runner) -> Iterator[Path]:
    """Mount an overlay of ``lower`` on ``at``; what is changed goes into the folder ``work``.

    A work folder that has been used shows the changes again. Hard links of the lower tree
    stay links when one of them is changed (the kernel's overlayfs.rst, "index").
    """
    upper, scratch = work / "upper", work / "work"
    if not upper.exists():
        upper.mkdir()
        _dress(lower, upper)
    scratch.mkdir(exist_ok=True)
    # a comma would end the path, a colon make two of the lower one, and a backslash is both's
    paths = [f"{name}={re.sub(special, _ESCAPED, str(path))}" for name, special, path in (
        ("lowerdir", r"[\\:,]", lower), ("upperdir", r"[\\,]", upper),
        ("workdir", r"[\\,]", scratch))]
    words = [*options, *paths, "index=on", "redirect_dir=off", "metacopy=off"]
    with mounted("overlay", at, kind="overlay", options=words, run=run) as place:
        yield place


def _dress(lower: Path, upper: Path) -> None:
    """Give ``upper`` what becomes the attributes of the overlay's root."""
    info = lower.stat()
    os.chown(upper, info.st_uid, info.st_gid)
    shutil.copymode(lower, upper)
    for name, value in read_xattrs(lower):
        os.setxattr(upper, name, value)
    os.utime(upper, ns=(info.st_atime_ns, info.st_mtime_ns))


def _unmount(at: Path, run: Runner) -> None:
    """Unmount, and wait for what keeps it busy for a moment.

    The kernel lets go of a loop device, and of the file below it, a while after the
    filesystem on it was unmounted: not before the last who looks at the device is done.
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

"""The commands that only read images: inspect, diff, manifest, verify, extract."""
from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import ContextManager, Iterator

from ..compare import images
from ..errors import Status, UsageError
from ..images.image import Image, opened
from ..images.iso.iso import is_iso
from ..merge import inspection
from ..merge.input.named_checksums import check_image
from ..operations import manifest as manifests
from ..registry import store
from ..report import (
    difference_data,
    difference_text,
    image_data,
    image_text,
    manifest_data,
    manifest_text,
    plan_text,
)
from ..system.paths import resolve_inside
from ..system.regular_files import opened_regular
from ..system.run import run
from ..system.trees import walk
from ..system.words import count, printable
from . import arguments
from .arguments import ProgramOptions
from .program import Invocation

_CAPABILITIES = "security.capability"


def inspect(invocation: Invocation) -> int:
    """Show what an image consists of."""
    checked = check_image(
        invocation.options.image, arguments.checksums(invocation.options),
        run=run, progress=invocation.progress)
    with inspection.explained_by_damage(checked.digests), _opened(invocation) as image:
        result = inspection.inspect(image, checked, invocation.folder, dnf=invocation.dnf, run=run)
    invocation.answer(image_data.inspection(result), image_text.inspection(result))
    return Status.DONE if result.sound else Status.BAD_IMAGE


def diff(invocation: Invocation) -> int:
    """Show the differences between two images."""
    options = invocation.options
    with contextlib.ExitStack() as stack:
        sides = []
        for name, path in (("old", options.old), ("new", options.new)):
            folder = invocation.folder / name
            folder.mkdir()
            image = stack.enter_context(opened(
                path, folder, payload=_payload_of(path, options), run=run))
            sides.append(images.Side(image, folder))
        result = images.compare(
            *sides, plugins_only=options.plugins_only, content=options.content, run=run,
            progress=invocation.progress)
    invocation.answer(difference_data.differences(result), difference_text.differences(result))
    return Status.DONE


def _payload_of(path: Path, options: ProgramOptions) -> str:
    """Return the option --image for ``path``; empty if only the other image is an ISO."""
    isos = [image for image in (options.old, options.new) if image.is_file() and is_iso(image)]
    return options.payload if path in isos or not isos else ""


def manifest(invocation: Invocation) -> int:
    """Show the content of plugins, as ``dnf node-plugin manifest`` does."""
    options = invocation.options
    shows = manifest_data.Shows(packages=options.packages, files=options.files,
                                settings=options.settings, delta=options.delta)
    with _opened(invocation) as image:
        names = options.names or store.names(image.root)
        plugins = manifests.manifests(image.root, names, inventories=not shows.record_only)
    invocation.answer(manifest_data.manifests(plugins, shows),
                      manifest_text.manifests(plugins, shows))
    return Status.DONE


def verify(invocation: Invocation) -> int:
    """Compare the plugins in an image with their records, as ``dnf node-plugin verify`` does."""
    options = invocation.options
    with _opened(invocation) as image:
        answer = inspection.verify(image, options.names, invocation.folder, dnf=invocation.dnf,
                                   run=run, strict=options.strict)
    invocation.answer(answer.to_data(),
                      plan_text.checks(answer.plugins, next_step=answer.next_step))
    return Status.DONE if answer.ok else Status.BROKEN


def extract(invocation: Invocation) -> int:
    """Copy a file or folder out of the root in an image."""
    options = invocation.options
    with _opened(invocation) as image:
        source = resolve_inside(image.root, options.path)
        if not os.path.lexists(source):
            raise UsageError(f"the root in {options.image} has no {options.path}")
        if stat.S_ISBLK(source.lstat().st_mode) or stat.S_ISCHR(source.lstat().st_mode):
            raise UsageError(f"{options.path} is a device")
        if not invocation.destinations:
            return _print_file(source, options.path)
        (destination,) = invocation.destinations
        copy = destination.target
        run(["cp", "--archive", "--sparse=auto", "--no-target-directory", "--", source, copy])
        for path in _delete_devices(copy):
            print(printable(f"{path} is a device and was not copied."), file=sys.stderr)
        dropped = 0 if options.keep_privileges else _drop_privileges(copy)
        if dropped:
            print(f"{count(dropped, 'file')} copied without setuid, setgid or capabilities;"
                  " --keep-privileges keeps them.", file=sys.stderr)
        destination.place()
    return Status.DONE


def _opened(invocation: Invocation) -> ContextManager[Image]:
    """Open the image of the command line."""
    options = invocation.options
    return opened(options.image, invocation.folder, payload=options.payload, run=run)


def _delete_devices(target: Path) -> Iterator[str]:
    """Delete device files in the copy, which would open devices of this machine; yield paths."""
    for entry in _below(target):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            os.unlink(entry.path)
            yield os.path.relpath(entry.path, target)


def _drop_privileges(target: Path) -> int:
    """Clear setuid and setgid, and delete capabilities, in the copy; return of how many files.

    A file of a stranger would give its rights to whoever starts it on this machine.
    """
    dropped = 0
    for path in itertools.chain([str(target)], (entry.path for entry in _below(target))):
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            continue
        with_capabilities = _CAPABILITIES in os.listxattr(path)
        if with_capabilities:
            os.removexattr(path, _CAPABILITIES)
        if mode & (stat.S_ISUID | stat.S_ISGID):
            os.chmod(path, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
        elif not with_capabilities:
            continue
        dropped += stat.S_ISREG(mode)
    return dropped


def _below(target: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is below a folder; a link to one has nothing below it."""
    if target.is_dir() and not target.is_symlink():
        yield from walk(target)


def _print_file(source: Path, path: str) -> int:
    if not source.is_file():
        raise UsageError(f"{path} is not a file", hint="Give -o OUTPUT to copy a folder.")
    with opened_regular(source) as stream:
        if sys.stdout.isatty():
            for line in io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape"):
                sys.stdout.write(printable(line, keep="\n\t"))
        else:
            shutil.copyfileobj(stream, sys.stdout.buffer, 1 << 20)
    sys.stdout.flush()
    return Status.DONE

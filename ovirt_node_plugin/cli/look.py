"""The commands that only read images: ``inspect``, ``diff``, ``manifest``, ``extract``."""
from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import ContextManager, Iterator

from ..compare import images
from ..errors import Status, UsageError
from ..images.image import Image, opened
from ..images.iso import is_iso
from ..merge import inspection
from ..operations import manifest as manifests
from ..registry import store
from ..report import (
    difference_data,
    difference_text,
    image_data,
    image_text,
    manifest_data,
    manifest_text,
)
from ..report.layout import harmless
from ..system.paths import resolve_inside
from ..system.regular_files import opened_regular
from ..system.run import run
from .arguments import ProgramOptions
from .program import Frame


def inspect(frame: Frame) -> int:
    """Show what an image consists of."""
    with _opened(frame) as image:
        found = inspection.inspect(image, frame.folder, dnf=frame.dnf, run=run)
    frame.answer(image_data.inspection(found), image_text.inspection(found))
    return Status.DONE


def diff(frame: Frame) -> int:
    """Show the differences between two images."""
    options = frame.options
    with contextlib.ExitStack() as stack:
        sides = []
        for name, path in (("old", options.old), ("new", options.new)):
            place = frame.folder / name
            place.mkdir()
            image = stack.enter_context(opened(
                path, place, payload=_payload_of(path, options), run=run))
            sides.append(images.Side(image, place))
        found = images.compare(
            *sides, plugins_only=options.plugins_only, content=options.content, run=run,
            progress=frame.progress)
    frame.answer(difference_data.differences(found),
                 difference_text.differences(found))
    return Status.DONE


def _payload_of(path: Path, options: ProgramOptions) -> str:
    """Return ``--image`` of the command line, empty for a ``path`` beside an ISO."""
    isos = [image for image in (options.old, options.new) if image.is_file() and is_iso(image)]
    return options.payload if path in isos or not isos else ""


def manifest(frame: Frame) -> int:
    """Show what plugins brought, as ``dnf node-plugin manifest`` does."""
    options = frame.options
    shows = manifests.Shows(packages=options.packages, files=options.files,
                            settings=options.settings, delta=options.delta)
    with _opened(frame) as image:
        names = options.names or store.names(image.root)
        found = manifests.manifests(image.root, names, shows)
    frame.answer(manifest_data.manifests(found, shows), manifest_text.manifests(found, shows))
    return Status.DONE


def extract(frame: Frame) -> int:
    """Copy a file or folder out of the root in an image."""
    options = frame.options
    with _opened(frame) as image:
        source = resolve_inside(image.root, options.path)
        if not os.path.lexists(source):
            raise UsageError(f"the root in {options.image} has no {options.path}")
        if stat.S_ISBLK(source.lstat().st_mode) or stat.S_ISCHR(source.lstat().st_mode):
            raise UsageError(f"{options.path} is a device")
        if frame.destination is None:
            return _printed(source, options.path)
        run(["cp", "--archive", "--sparse=auto", "--no-target-directory", "--", source,
             frame.destination.target])
        for path in _without_devices(frame.destination.target):
            print(harmless(f"{path} is a device, and left out."), file=sys.stderr)
        frame.destination.place()
    return Status.DONE


def _opened(frame: Frame) -> ContextManager[Image]:
    """Open the image of the command line."""
    return opened(frame.options.image, frame.folder, payload=frame.options.payload, run=run)


def _without_devices(target: Path) -> Iterator[str]:
    """Delete the devices in the copy, which would be this machine's; yield their paths."""
    for parent, _, names in os.walk(target):
        for name in names:
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
                os.unlink(path)
                yield os.path.relpath(path, target)


def _printed(source: Path, path: str) -> int:
    if not source.is_file():
        raise UsageError(f"{path} is no file", hint="Give -o OUTPUT to copy a folder.")
    with opened_regular(source) as stream:
        shutil.copyfileobj(stream, sys.stdout.buffer, 1 << 20)
    sys.stdout.flush()
    return Status.DONE

"""What an image is: its containers, its root, the plugins in it, how it boots."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

from ..compare.packages import read_packages
from ..errors import BadImage
from ..images import boot
from ..images.dnf_program import Dnf, trial_root
from ..images.image import Image, Layout
from ..images.iso import read_span
from ..operations.model.answers import ListAnswer
from ..operations.model.results import PluginState
from ..system.paths import resolve_inside
from ..system.run import Runner
from ..target import Target, read_target
from . import marks

_MAX_MARK_BYTES = 1 << 20


@dataclass(frozen=True)
class Inspection:
    """All that ``inspect`` tells.

    ``plugins`` are those that ``dnf node-plugin list`` names; ``kernels``
    the versions that have modules in the root; ``size_bytes`` of the file, ``mark`` what
    a merge wrote into the root, None if none did.
    """

    layout: Layout
    size_bytes: int
    target: Target
    kernels: Tuple[str, ...]
    packages: int
    plugins: Tuple[PluginState, ...]
    boot: Tuple[boot.BootConfiguration, ...]
    mark: Optional[marks.Mark]


def inspect(image: Image, work: Path, *, dnf: Dnf, run: Runner) -> Inspection:
    """Return what ``image`` is; ``work`` is a folder for what has to be unpacked.

    Raises BadRoot where the root has no rpm database.
    """
    layout = image.layout
    target = read_target(image.root)
    configurations = (boot.boot_configurations(layout.path, layout.iso, work, run=run)
                      if layout.iso is not None else ())
    with trial_root(image, work, run=run) as root:
        listed = dnf.asked(root, "list", (), answer=ListAnswer)
        packages = read_packages(root, target, run=run)
    return Inspection(
        layout=layout, size_bytes=layout.path.stat().st_size if layout.path.is_file() else 0,
        target=target, kernels=_kernels(image.root), packages=len(packages),
        plugins=listed.plugins, boot=tuple(configurations), mark=_mark(image))


def _kernels(root: Path) -> Tuple[str, ...]:
    folder = resolve_inside(root, "lib/modules")
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def _mark(image: Image) -> Optional[marks.Mark]:
    """Return what the last merge noted: in the root, or on the ISO when no plugin is left."""
    found, iso = marks.usable(image.root), image.layout.iso
    for file in iso.files if iso is not None and found is None else ():
        if file.path == marks.ON_ISO and file.size_bytes < _MAX_MARK_BYTES:
            with contextlib.suppress(BadImage):
                text = read_span(image.layout.path, file).decode(errors="replace")
                found = marks.read(text, origin=file.path)
    return found

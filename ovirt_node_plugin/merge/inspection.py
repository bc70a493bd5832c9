"""Inspect an image: its containers, root, plugins and boot configurations; verify its plugins."""
from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Sequence, Tuple

from ..compare.packages import read_packages
from ..errors import BadImage, NodePluginError, UsageError
from ..images.digests import Comparison, Digests
from ..images.dnf_program import Dnf, trial_root
from ..images.image import Image, Layout, kernels
from ..images.iso import boot
from ..images.iso.iso import read_span
from ..operations.model.answers import ListAnswer, VerifyAnswer
from ..operations.model.next_steps import merge_command
from ..operations.model.results import PluginState
from ..system.run import Runner
from ..target import Target, read_target
from .input.named_checksums import CheckedImage
from .root import marks

_MAX_MARK_BYTES = 1 << 20


@dataclass(frozen=True)
class Inspection:
    """The result of ``inspect``.

    ``size_bytes`` is the size of the image file, 0 for a folder; ``kernels`` are the versions
    with modules in the root; ``packages`` is the number of packages. ``plugins`` are the
    answer of ``dnf node-plugin list``. ``mark`` is that of the last merge, None without one.
    ``checksums`` are the comparisons with the checksums of the image, ``notes`` what was not
    checked.
    """

    layout: Layout
    size_bytes: int
    target: Target
    kernels: Tuple[str, ...]
    packages: int
    plugins: Tuple[PluginState, ...]
    boot: Tuple[boot.BootConfiguration, ...]
    mark: Optional[marks.Mark]
    checksums: Tuple[Comparison, ...]
    notes: Tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether the image matches its checksums."""
        return all(comparison.matches for comparison in self.checksums)


@contextlib.contextmanager
def explained_by_damage(digests: Digests) -> Iterator[None]:
    """Raise BadImage for an error of the body if the image does not match its checksum."""
    try:
        yield
    except UsageError:
        raise
    except (NodePluginError, OSError):
        digests.require_undamaged()
        raise


def inspect(image: Image, checked: CheckedImage, work: Path, *, dnf: Dnf,
            run: Runner) -> Inspection:
    """Inspect the open ``image``; ``work`` is a folder for mounts and copies.

    Raises BadRoot if the root has no rpm database.
    """
    layout = image.layout
    target = read_target(image.root)
    configurations = (boot.boot_configurations(layout.path, layout.iso, work, run=run)
                      if layout.iso is not None else ())
    with trial_root(image, work, run=run) as root:
        listed = dnf.run_json(root, "list", (), answer=ListAnswer)
        packages = read_packages(root, target, run=run)
    return Inspection(
        layout=layout, size_bytes=layout.path.stat().st_size if layout.path.is_file() else 0,
        target=target, kernels=kernels(image.root), packages=len(packages),
        plugins=listed.plugins, boot=tuple(configurations), mark=_mark(image),
        checksums=checked.comparisons, notes=checked.notes)


def verify(image: Image, names: Sequence[str], work: Path, *, dnf: Dnf, run: Runner,
           strict: bool = False) -> VerifyAnswer:
    """Compare plugins in the open ``image`` with their records; of ``names``, or all.

    ``strict`` counts changed configuration files as problems. An image is not repaired in
    place: the next step is a merge into one without plugins. Raises DnfFailed.
    """
    with trial_root(image, work, run=run) as root:
        answer = dnf.run_json(root, "verify", names, *(["--strict"] if strict else []),
                              answer=VerifyAnswer)
    return dataclasses.replace(
        answer, next_step=merge_command(image.layout.path) if answer.next_step else "")


def _mark(image: Image) -> Optional[marks.Mark]:
    """Return the mark of the last merge: from the root, else from the ISO.

    Only the ISO has one if the last merge removed the last plugin.
    """
    mark, iso = marks.read_if_valid(image.root), image.layout.iso
    for file in iso.files if iso is not None and mark is None else ():
        if file.path == marks.ON_ISO and file.size_bytes < _MAX_MARK_BYTES:
            with contextlib.suppress(BadImage):
                text = read_span(image.layout.path, file).decode(errors="replace")
                mark = marks.read(text, origin=file.path)
    return mark

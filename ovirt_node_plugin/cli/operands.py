"""The images, plugins and outputs that the command line of ``merge`` names."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ..errors import BadBundle, UsageError
from ..images.image import image_kind
from ..images.rpm.rpm_file import is_rpm, may_hold_image
from ..merge.root import site_release
from ..plugin.archive import SUFFIXES
from ..plugin.descriptor import DESCRIPTOR_NAME
from ..plugin.other_operands import not_a_bundle

_SUFFIXES = (".img", ".iso", ".rpm", ".squashfs")  # of images


def split(first: Path, words: Sequence[str]) -> Tuple[Tuple[Path, ...], Tuple[str, ...]]:
    """Return the images, ``first`` and those that ``words`` begin with, and the plugins.

    A word is an image if its content is one. Raises UsageError for an image after a plugin, and
    for one that is named twice, and BadBundle for an RPM that is no image.
    """
    images: List[Path] = [first]
    plugins: List[str] = []
    for word in words:
        if is_rpm(Path(word)) and not may_hold_image(Path(word)):
            raise _no_plugin(Path(word), word)
        if not _is_image(Path(word)):
            plugins.append(word)
        elif plugins:
            raise UsageError(f"{word} is an image, and comes after the plugin {plugins[0]}",
                             hint="Name all images first, then the plugins.")
        elif Path(word) in images:
            raise UsageError(f"{word} is named twice", hint="Name each image once.")
        else:
            images.append(Path(word))
    return tuple(images), tuple(plugins)


def _no_plugin(path: Path, word: str) -> BadBundle:
    """Return the error that says of an RPM without an image what can be done with it."""
    error = not_a_bundle(path, word)
    assert error is not None  # it begins as an RPM
    return BadBundle(f"{error.message}. It is no image either: an update RPM of oVirt Node contains"
                     " a squashfs image, and this one has none", hint=error.hint)


def _is_image(path: Path) -> bool:
    """Return whether ``path`` is an image by its content, which a bundle never is.

    What is missing is one if it has the name of one: no plugin would be found by it.
    """
    if not path.exists():
        return path.name.endswith(_SUFFIXES)
    is_bundle = path.name.endswith(tuple(SUFFIXES)) or os.path.lexists(path / DESCRIPTOR_NAME)
    return not is_bundle and bool(image_kind(path))


def outputs(images: Sequence[Path], text: str, tag: str) -> Tuple[Path, ...]:
    """Return the path of the output for each image.

    ``text`` is the output of one image, or the folder for those of several: there, each has the
    name of its image, and an RPM its own; ``tag`` is its site tag. Raises UsageError for several
    images without a folder, and for two outputs of the same name; else as
    ``site_release.output_in``.
    """
    if len(images) == 1:
        return (site_release.output_in(images[0], text, tag),)
    folder = Path(text)
    if not folder.is_dir():
        raise UsageError(f"several images are written to a folder, and {text} is none",
                         hint="Create the folder, or give another one with -o.")
    by_output: Dict[Path, Path] = {}
    for image in images:
        output = (site_release.output_in(image, text, tag) if is_rpm(image)
                  else folder / Path(os.path.abspath(image)).name)
        if output in by_output:
            raise UsageError(f"{by_output[output]} and {image} would both be written to {output}",
                             hint="Merge them by a command for each.")
        by_output[output] = image
    return tuple(by_output)

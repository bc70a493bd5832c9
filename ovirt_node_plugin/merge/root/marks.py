"""The mark that a merge writes into an image: the plugins, the input, the time and the tool.

The same JSON document is written to the root and to the ISO. In the root it is below /usr,
because an upgrade of the Node replaces /usr, and the mark is valid only for its image.
"""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Tuple

from ... import __version__
from ...errors import BadImage
from ...images.digests import Digests
from ...registry.store import installed_now
from ...system.entries import write_atomic
from ...system.json_data import of_format, parse_json, typed
from ...system.path_sets import IMAGE_MARK
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular

ON_ISO = "/ovirt-node-plugins.json"
FORMAT = 1


@dataclass(frozen=True)
class MergedPlugin:
    """A plugin in the image; ``source`` is the bundle's file name, or ``repo ID``."""

    name: str
    version: str
    vendor: str
    source: str


@dataclass(frozen=True)
class PluginChange:
    """The change of a plugin by the merge.

    ``action`` is ``install``, ``upgrade``, ``repair`` or ``remove``; ``version`` is the new
    version, or the removed one.
    """

    action: str
    name: str
    version: str


@dataclass(frozen=True)
class Mark:
    """The mark of a merge.

    ``merged_at`` is ISO 8601 in UTC; ``tool`` a name and version; ``source`` the file name of
    the input, and ``source_sha256`` its digest in hex, empty for a folder. ``plugins`` are all
    plugins in the image, ``changes`` those of this merge. ``boot`` are the boot configurations
    before any plugin, by their places on the ISO.
    """

    merged_at: str
    tool: str
    source: str
    source_sha256: str
    plugins: Tuple[MergedPlugin, ...]
    changes: Tuple[PluginChange, ...] = ()
    boot: Mapping[str, str] = field(default_factory=dict)


def new_mark(source: Digests, plugins: Tuple[MergedPlugin, ...],
             changes: Tuple[PluginChange, ...], boot: Mapping[str, str]) -> Mark:
    """Return the mark of a merge that ends now; ``source`` is the input."""
    return Mark(merged_at=installed_now(), tool=f"ovirt-node-plugin {__version__}",
                source=source.path.resolve().name, source_sha256=source.sha256, plugins=plugins,
                changes=changes, boot=boot)


def text(mark: Mark) -> str:
    """Return the mark as JSON."""
    return json.dumps({"format": FORMAT, **asdict(mark)}, indent=2, sort_keys=True) + "\n"


def read(text_: str, *, origin: str) -> Mark:
    """Return the mark in ``text_``; ``origin`` is its name in messages.

    Raises BadImage for an invalid mark.
    """
    try:
        return typed(Mark, of_format(FORMAT, parse_json(text_.encode())))
    except ValueError as exc:
        raise BadImage(f"{origin} is damaged: {exc}",
                       hint="Run ovirt-node-plugin merge again, which writes it.") from exc


def read_from_root(root: Path) -> Optional[Mark]:
    """Return the mark in ``root``, None if there is none."""
    path = resolve_inside(root, IMAGE_MARK)
    if not path.is_file():
        return None
    return read(read_regular(path).decode(errors="replace"), origin=f"/{IMAGE_MARK}")


def read_if_valid(root: Path) -> Optional[Mark]:
    """Return the mark in ``root``, None if there is none or it is damaged."""
    try:
        return read_from_root(root)
    except (BadImage, OSError):
        return None


def write_to_root(root: Path, mark: Mark) -> None:
    """Write the mark to ``root``, or remove it if no plugins are in the image."""
    path = resolve_inside(root, IMAGE_MARK)
    if mark.plugins:
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, text(mark).encode())
    elif path.is_file():
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

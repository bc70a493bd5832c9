"""The layers of an installed Node, logical volumes of which imgbased makes one for each image.

As imgbased 1.2.26 makes them: imgbase.py (ImageLayers) tags the volumes, naming.py (NvrNaming)
names them, bootloader.py (Grubby) names a layer in its boot entry, and osupdater.py
(remove_boot) has the files of a layer in /boot.
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Optional, Tuple

from ..errors import NodePluginError
from ..system.json_data import objects_of, parse_json, text_of
from ..system.path_sets import IMAGE_VERSION
from ..system.paths import read_inside
from ..system.run import Runner

_TAG = "imgbased:layer"
_FIELDS = "vg_name,lv_name,lv_path,lv_dm_path,lv_tags"
_NAME = re.compile(r"[^/\s]+-[^-/\s]+-[^-+/\s]+\+[0-9]+")
_VERSION_BYTES = 4096


@dataclass(frozen=True)
class Layer:
    """A layer: its volume group, the name of its volume, and the two paths of that.

    The name is that of the image, ``+`` and a number, such as
    ``ovirt-node-ng-4.5.6-0.20240515.0+1``.
    """

    group: str
    name: str
    path: str
    mapped: str

    @property
    def image(self) -> str:
        """The name, version and release of the image, which is also its base's name."""
        return self.name.rpartition("+")[0]


def read_layers(run: Runner) -> Tuple[Layer, ...]:
    """Return the layers of this machine, sorted by name.

    Raises CommandError if lvs(8) fails, and NodePluginError for an answer of another form.
    """
    return parse_layers(run(["lvs", "--reportformat", "json", "--ignoreskippedcluster",
                             "--options", _FIELDS]))


def parse_layers(text: str) -> Tuple[Layer, ...]:
    """Return the layers in the JSON report of lvs(8), sorted by name."""
    layers: List[Layer] = []
    try:
        report = parse_json(text.encode())
        if not isinstance(report, dict):
            raise ValueError("not an object")
        for part in objects_of(report, "report"):
            for volume in objects_of(part, "lv"):
                if _TAG in text_of(volume, "lv_tags").split(","):
                    layers.append(Layer(text_of(volume, "vg_name"), text_of(volume, "lv_name"),
                                        text_of(volume, "lv_path"), text_of(volume, "lv_dm_path")))
    except (KeyError, ValueError) as exc:
        raise NodePluginError(f"the answer of lvs cannot be read: {exc}",
                              hint="Run lvs --reportformat json by hand.") from exc
    return tuple(sorted((layer for layer in layers if _NAME.fullmatch(layer.name)),
                        key=lambda layer: layer.name))


def running_layer(layers: Iterable[Layer], run: Runner) -> Layer:
    """Return the layer that is mounted at ``/``.

    Raises NodePluginError if that is none of ``layers``.
    """
    source = run(["findmnt", "--noheadings", "--output", "SOURCE", "/"]).strip()
    for layer in layers:
        if source in (layer.path, layer.mapped):
            return layer
    raise NodePluginError(f"the root filesystem {source} is not a layer of imgbased",
                          hint="Compare: lvs -o +lv_tags; imgbase layout")


def added_layer(before: Iterable[Layer], after: Iterable[Layer], group: str) -> Optional[Layer]:
    """Return the layer of ``group`` that is in ``after`` only; None without exactly one."""
    known = {layer.name for layer in before}
    added = [layer for layer in after if layer.group == group and layer.name not in known]
    return added[0] if len(added) == 1 else None


def check_image(layer: Layer, root: Path) -> None:
    """Raise NodePluginError unless the mounted ``root`` has the image that names ``layer``."""
    try:
        image = read_inside(root, IMAGE_VERSION, max_bytes=_VERSION_BYTES).decode(
            errors="replace").strip()
    except OSError:
        image = ""
    if image != layer.image:
        raise NodePluginError(
            f"the layer {layer.name} contains {image or 'no image of a Node'}",
            hint=f"Look into it: mount -o ro {layer.path} /mnt; cat /mnt/{IMAGE_VERSION}")


def entries_of(layer: Layer, entries: Path) -> Tuple[Path, ...]:
    """Return the boot loader entries in the folder ``entries`` that boot ``layer``, sorted."""
    names = sorted(os.listdir(entries)) if entries.is_dir() else []
    return tuple(entries / name for name in names if name.endswith(".conf") and _is_entry_of(
        layer, (entries / name).read_text(encoding="utf-8", errors="surrogateescape")))


def entry_index(info: str, layer: Layer) -> str:
    """Return the index of the boot entry of ``layer`` in the output of grubby --info=ALL.

    Of several, one for each kernel, it is that with the last title, as imgbased chooses. It is
    empty without an entry.
    """
    entries = []
    for entry in re.split(r"^(?=index=)", info, flags=re.MULTILINE):
        if _is_entry_of(layer, entry):
            values = dict(line.partition("=")[::2] for line in entry.splitlines() if "=" in line)
            entries.append((values.get("title", ""), values["index"]))
    return max(entries)[1] if entries else ""


def _is_entry_of(layer: Layer, text: str) -> bool:
    """Return whether the boot loader entry ``text`` boots ``layer``."""
    return re.search(rf"(?:^|[\s\"']){re.escape(f'img.bootid={layer.name}')}(?=[\s\"']|$)",
                     text, re.MULTILINE) is not None

"""Layers of imgbased in the reports of lvs and grubby."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping, Sequence

import pytest

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.system.run import StrPath
from ovirt_node_plugin.upgrade.layers import (
    Layer,
    added_layer,
    check_image,
    entries_of,
    entry_index,
    parse_layers,
    running_layer,
)

pytestmark = pytest.mark.unit

OLD_IMAGE = "ovirt-node-ng-4.5.5-0.20231130.0"
# as naming.py of imgbased makes names of layers: the image's, + and a number
NAMES = (f"{OLD_IMAGE}+1", f"{OLD_IMAGE}+12", "ovirt-node-ng-4.5.6-1.el9.site1+1", "node-4-1+3")


def volume(name: str, tags: str, group: str = "onn") -> Mapping[str, str]:
    mapped = f"{group}-{name.replace('-', '--')}"
    return {"vg_name": group, "lv_name": name, "lv_path": f"/dev/{group}/{name}",
            "lv_dm_path": f"/dev/mapper/{mapped}", "lv_tags": tags}


def report(*volumes: Mapping[str, str]) -> str:
    return json.dumps({"report": [{"lv": list(volumes)}], "log": []})


def layer(name: str, group: str = "onn") -> Layer:
    (found,) = parse_layers(report(volume(name, "imgbased:layer", group)))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tags", ["imgbased:layer", "mine,imgbased:layer", "imgbased:layer,x"])
def test_a_tagged_volume_is_a_layer_of_its_image(name: str, tags: str) -> None:
    (found,) = parse_layers(report(volume(name, tags), volume("home", "imgbased:volume"),
                                   volume("pool00", "imgbased:pool"), volume("root", "")))
    assert (found.name, found.image) == (name, name.rpartition("+")[0])


@pytest.mark.parametrize("name, tags", [
    (OLD_IMAGE, "imgbased:base"), (f"{OLD_IMAGE}+1", "imgbased:layers"), ("root", "imgbased:layer"),
    ("a+1", "imgbased:layer"), (f"{OLD_IMAGE}+x", "imgbased:layer"),
    ("../a-1-1+1", "imgbased:layer")])
def test_other_volumes_are_no_layers(name: str, tags: str) -> None:
    assert parse_layers(report(volume(name, tags))) == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"report":1}', '{"report":[{"lv":[{}]}]}',
                                  '{"report":[{"lv":[{"lv_tags":1}]}]}', "{" * 100000])
def test_another_answer_of_lvs_is_an_error(text: str) -> None:
    with pytest.raises(NodePluginError, match="the answer of lvs cannot be read"):
        parse_layers(text)


@pytest.mark.parametrize("form", ["path", "mapped"])
def test_the_running_layer_is_the_one_that_is_mounted(form: str) -> None:
    layers = [layer(name) for name in NAMES]

    def findmnt(argv: Sequence[StrPath], **_: object) -> str:
        assert list(argv) == ["findmnt", "--noheadings", "--output", "SOURCE", "/"]
        return f"{getattr(layers[1], form)}\n"

    assert running_layer(layers, findmnt) == layers[1]
    with pytest.raises(NodePluginError, match="is not a layer of imgbased"):
        running_layer([layers[0]], findmnt)


def test_the_new_layer_is_the_only_one_that_was_added_to_the_group() -> None:
    old, new, other = layer(NAMES[0]), layer(NAMES[2]), layer(NAMES[2], "vm-storage")
    assert added_layer([old], [old, new, other], "onn") == new
    assert added_layer([old], [old, other], "onn") is None
    assert added_layer([old, new], [old, new], "onn") is None
    assert added_layer([old], [old, new, layer(NAMES[3])], "onn") is None


def test_a_layer_with_another_image_is_an_error(tmp_path: Path) -> None:
    nvr = tmp_path / "usr/share/imgbase/build/meta/nvr"
    with pytest.raises(NodePluginError, match="contains no image of a Node"):
        check_image(layer(NAMES[0]), tmp_path)
    nvr.parent.mkdir(parents=True)
    nvr.write_text(f"{OLD_IMAGE}\n")
    check_image(layer(NAMES[0]), tmp_path)
    with pytest.raises(NodePluginError, match=f"contains {OLD_IMAGE}"):
        check_image(layer(NAMES[2]), tmp_path)


def test_the_boot_entries_of_a_layer_are_found_by_their_argument(tmp_path: Path) -> None:
    texts = {"a.conf": f"title x\noptions ro img.bootid={NAMES[0]}\n",
             "b.conf": f"options ro img.bootid={NAMES[1]} quiet\n",
             "c.conf": f'options "img.bootid={NAMES[0]}" quiet\n',
             "d.conf": f"options ximg.bootid={NAMES[0]}\n",
             "e.txt": f"options img.bootid={NAMES[0]}\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    found = entries_of(layer(NAMES[0]), tmp_path)
    assert [path.name for path in found] == ["a.conf", "c.conf"]
    assert entries_of(layer(NAMES[0]), tmp_path / "missing") == ()


def test_the_last_title_of_a_layers_boot_entries_is_its_default() -> None:
    info = "".join(
        f'index={number}\nkernel="/boot/{name}/vmlinuz"\nargs="ro img.bootid={name}"\n'
        f'root="/dev/onn/x"\ninitrd="/boot/i"\ntitle="{name} ({kernel})"\nid="{number}"\n'
        for number, (name, kernel) in enumerate([
            (NAMES[2], "9"), (NAMES[0], "5"), (NAMES[0], "6"), (NAMES[1], "7")]))
    info += "index=4\nnon linux entry\n"
    assert entry_index(info, layer(NAMES[0])) == "2"
    assert entry_index(info, layer(NAMES[2])) == "0"
    assert entry_index(info, layer(NAMES[3])) == entry_index("", layer(NAMES[3])) == ""

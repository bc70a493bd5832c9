"""Images, plugins and outputs on the command line of merge."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict

import pytest

from ovirt_node_plugin.cli import operands
from ovirt_node_plugin.errors import UsageError

pytestmark = pytest.mark.unit

_ISO = bytes(32769) + b"CD001"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with images and what is none."""
    monkeypatch.chdir(tmp_path)
    for name, data in {"a.iso": _ISO, "b.rpm": b"\xed\xab\xee\xdb", "c.img": b"hsqs", "cim": _ISO,
                       "text": b"x", "cim.tar": _ISO, "cim.tar.zst": b"hsqs"}.items():
        Path(name).write_bytes(data)
    for name in ("root/etc/os-release", "root2/usr/lib/os-release", "plugin/node-plugin.xml",
                 "plugin/etc/os-release", "other/file"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("link.iso").symlink_to("a.iso")
    return tmp_path


@pytest.mark.parametrize("word", ["b.rpm", "c.img", "root", "root2", "link.iso", "cim", "./b.rpm",
                                  "missing.iso", "no/missing.rpm"])
def test_a_word_that_is_an_image_by_content_or_name(word: str, place: Path) -> None:
    assert operands.split(Path("a.iso"), [word, "cim.tar", "storage"]) == (
        (Path("a.iso"), Path(word)), ("cim.tar", "storage"))
    with pytest.raises(UsageError, match="is an image, and comes after the plugin storage"):
        operands.split(Path("a.iso"), ["storage", word])


@pytest.mark.parametrize("word", [
    "text", "cim.tar", "cim.tar.zst", "plugin", "other", "storage", "missing.tar", "a*", "x=1"])
def test_a_bundle_or_a_name_is_no_image(word: str, place: Path) -> None:
    assert operands.split(Path("missing"), [word]) == ((Path("missing"),), (word,))


def test_an_image_is_named_once(place: Path) -> None:
    with pytest.raises(UsageError, match="a.iso is named twice"):
        operands.split(Path("a.iso"), ["c.img", "./a.iso"])


def test_outputs_have_the_names_of_their_images(place: Path) -> None:
    (place / "site").mkdir()
    images = [Path("a.iso"), Path("root"), place / "c.img"]
    assert operands.outputs(images, "site", "") == (
        Path("site/a.iso"), Path("site/root"), Path("site/c.img"))
    assert operands.outputs(images[:1], "other.iso", "") == (Path("other.iso"),)


def test_outputs_of_several_images_need_a_folder_and_different_names(place: Path) -> None:
    refused: Dict[str, Callable[[], object]] = {
        "several images are written to a folder, and new is none":
            lambda: operands.outputs([Path("a.iso"), Path("c.img")], "new", ""),
        "a.iso and /x/a.iso would both be written to root/a.iso":
            lambda: operands.outputs([Path("a.iso"), Path("/x/a.iso")], "root", "")}
    for message, make in refused.items():
        with pytest.raises(UsageError, match=message):
            make()

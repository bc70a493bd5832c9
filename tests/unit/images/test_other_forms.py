"""Images of forms that are not supported are named, with what can be done."""
from __future__ import annotations

import gzip
import lzma
import tarfile
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso.iso import IsoFile
from ovirt_node_plugin.images.other_forms import FORMS, other_form, other_roots
from ovirt_node_plugin.images.squashfs.squashfs import read_superblock

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_each_form_is_named_wherever_it_begins(form: object, tmp_path: Path) -> None:
    assert isinstance(form, type(FORMS[0]))
    path = tmp_path / "image"
    for offset in (0, 2048):
        path.write_bytes(bytes(offset + form.at) + form.magic + bytes(100))
        assert other_form(path, offset) == form
        assert form.hint and form.name


def test_real_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "a.ovf")
    for data, name in ((gzip.compress(b"x"), "compressed with gzip"),
                       (lzma.compress(b"x"), "compressed with xz"),
                       (path.read_bytes(), "a tar archive, such as an OVA"),
                       (b"\n<!DOCTYPE HTML>\n<title>Not found", "a web page"),
                       (b"", "empty"), (bytes(10_000), "without content at its beginning")):
        path.write_bytes(data)
        form = other_form(path)
        assert form is not None and form.name == name
    path.write_bytes(b"a text\n")
    assert other_form(path) is None


def test_what_may_contain_the_root_of_an_iso_is_named(tmp_path: Path) -> None:
    iso = tmp_path / "a.iso"
    erofs = bytes(1024) + b"\xe2\xe1\xf5\xe0"
    iso.write_bytes(erofs.ljust(200 * 2048, b"\0") + gzip.compress(b"x").ljust(100_000, b"\0"))
    files = [IsoFile("/LiveOS/squashfs.img", 0, 200 * 2048), IsoFile("/initrd", 200, 100_000),
             IsoFile("/ostree/repo/config", 1, 4), IsoFile("/container/index.json", 1, 4)]
    names = [name for name, _ in other_roots(iso, files)]
    assert names == ["/LiveOS/squashfs.img, an EROFS filesystem",
                     "a container image in /container", "an ostree repository in /ostree"]


def test_an_old_squashfs_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes((b"hsqs" + bytes(24) + b"\x03\0\x01\0").ljust(200, b"\0"))
    with pytest.raises(BadImage, match=r"is of version 3\.1; only 4\.0 is") as caught:
        read_superblock(path)
    assert "unsquashfs" in caught.value.hint

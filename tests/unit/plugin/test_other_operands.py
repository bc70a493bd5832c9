"""Files and folders that are often given in place of a bundle, and what is said of them."""
from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import BadBundle, Status
from ovirt_node_plugin.plugin.bundle import opened, read_bundle
from ovirt_node_plugin.plugin.other_operands import LAYOUT, not_a_bundle
from tests.support.sample_bundle import DESCRIPTOR, REPO, make_bundle

pytestmark = pytest.mark.unit

MAKE = ("To make a bundle, put the RPMs into the folder repo/ of a new folder, run createrepo_c on"
        " repo/, and describe the plugin in node-plugin.xml beside it, see node-plugin.xml(5).")
UNPACK = f"Unpack it. If it contains a bundle, give the folder of that. {MAKE}"
VENDOR = f"Ask the vendor for RPMs; a bundle contains nothing else to install. {MAKE}"
MERGE = "To install plugins into it: ovirt-node-plugin merge {path} PLUGIN -o OUTPUT"


def iso(label: bytes) -> bytes:
    return b"\0" * 0x8000 + b"\1CD001\1\0" + b"LINUX".ljust(32) + label.ljust(32) + b"\0" * 99


def refusal(path: Path) -> BadBundle:
    with pytest.raises(BadBundle) as caught, opened(path):
        raise AssertionError("not reached")
    assert caught.value.status == Status.BAD_BUNDLE
    return caught.value


@pytest.mark.parametrize(("content", "kind", "hint"), [
    (b"\xed\xab\xee\xdb\3\0\0\0vrtsx-1.0", "an RPM package",
     MAKE + " To install only the package on a host: dnf install {path}"),
    (iso(b"OEMDRV"), "a driver disk (an ISO image with the label OEMDRV)",
     f"Its RPMs are in rpms/, behind a mount: mount -o loop,ro {{path}} /mnt. {MAKE}"),
    (iso(b"oVirt-Node"), "an ISO image", f"{MERGE}. If it contains a vendor's RPMs: {MAKE}"),
    (b"hsqs" + b"\0" * 92, "a squashfs image", MERGE),
    (b"PK\3\4\x14", "a zip archive", UNPACK), (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"070701000", "a cpio archive", UNPACK),
    (b"!<arch>\ndebian-binary", "a package of Debian", VENDOR),
    (b"\x7fELF\2\1", "a program or a library", VENDOR),
    (b"#!/bin/sh\n", "a script", VENDOR),
    (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a GPG public key",
     f"The keys of a bundle are in its folder keys/. {LAYOUT}"),
    (REPO.encode(), "the configuration of repositories",
     "If a repository of it contains a plugin, copy the file to /etc/yum.repos.d, and give the name"
     " of the plugin: dnf node-plugin install --enablerepo=ID NAME. Else put the file into a"
     f" bundle. {LAYOUT}"),
    (DESCRIPTOR.encode(), "a descriptor", "Give its folder: {folder}/"),
])
def test_a_file_that_is_no_tar_is_called_what_it_is(tmp_path: Path, content: bytes, kind: str,
                                                    hint: str) -> None:
    path = tmp_path / "a {path} of%20"
    path.write_bytes(content)
    error = refusal(path)
    assert error.message == f"{path} is not a bundle: it is {kind}"
    assert error.hint == hint.format(path=path, folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\0" * 40000, b"[x]\n", b"<node>",
                                     b"\xff" * 40000, b"\x1f\x8b\x08", b"<" * 40000])
def test_of_other_content_nothing_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert not_a_bundle(tmp_path / "x", "x") is None


def test_a_tar_with_the_files_of_a_bundle_is_none_of_them(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "cim")
    with tarfile.open(tmp_path / "cim.tar", "w") as out:
        for name in ("node-plugin.xml", "cim.repo", "keys", "repo"):
            out.add(folder / name, arcname=name)
    with opened(tmp_path / "cim.tar") as bundle:
        assert bundle.descriptor.name == "cim"


def test_of_a_folder_without_a_descriptor_is_said_what_it_contains(tmp_path: Path) -> None:
    base = tmp_path / "folder"
    text = f"{base} is not a bundle: it has no node-plugin.xml"
    base.mkdir()
    assert (refusal(base).message, refusal(base).hint) == (text, LAYOUT)
    (base / "etc").mkdir()
    (base / "etc/os-release").write_text("")
    assert (refusal(base).message, refusal(base).hint) == (
        f"{text}; it is the root of a system",
        f"To change the plugins of that system, add --installroot={base}")
    (base / "x.rpm").write_text("")
    assert (refusal(base).message, refusal(base).hint) == (
        f"{text}; it contains RPM packages", MAKE)
    (base / "repodata").mkdir()
    assert (refusal(base).message, refusal(base).hint) == (
        f"{text}; it is a repository of RPMs", f"Put it into a new folder as repo/. {LAYOUT}")
    (base / "rhdd3").write_text("Driver Update Disk version 3")
    assert (refusal(base).message, refusal(base).hint) == (
        f"{text}; it is a driver disk", f"Its RPMs are in rpms/. {MAKE}")
    for name in ("b", "a", "d", "c"):
        (base / name).mkdir()
        (base / name / "node-plugin.xml").write_text("")
    assert (refusal(base).message, refusal(base).hint) == (
        f"{text}, but these of its folders have one: a, b, c and 1 more",
        f"Give one of them, such as a in {base}.")


def test_the_unpacked_folder_of_a_tar_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/node-plugin.xml").write_text("")
    with pytest.raises(BadBundle) as caught:
        read_bundle(tmp_path / "a", source="a.tar")
    assert caught.value.hint == "Give one of them, such as b in the unpacked folder."

"""Identification of a root by its os-release and image name."""
from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from ovirt_node_plugin.target import HOST, NODE, identify

pytestmark = pytest.mark.unit


def node(root: Path, *lines: str, nvr: Optional[str] = None) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("\n".join(
        ['ID="centos"', 'VERSION_ID="9.1.2206.0"', 'VARIANT_ID="ovirt-node"', *lines, ""]))
    if nvr is not None:
        folder = root / "usr/share/imgbase/build/meta"
        folder.mkdir(parents=True)
        (folder / "nvr").write_text(nvr)
    return root


@pytest.mark.parametrize("version", [
    "4.5.5", "4.5.6_master", "4.5.6_rc1", "4.5.6_rc", "4.6", "5", "4.5.6~beta2", "4.5.0.1",
    "4.4.10_pre", "4.5.7^20260101"])
def test_the_version_of_a_node_is_its_variant_version(tmp_path: Path, version: str) -> None:
    short = version.split("_")[0]
    target = identify(node(tmp_path / "root", f'VARIANT="oVirt Node {version}"',
                           f'PRETTY_NAME="oVirt Node {short}"', nvr="ovirt-node-ng-1.0-1.0"))
    assert (target.kind, target.version, target.name) == (NODE, version, f"oVirt Node {version}")


@pytest.mark.parametrize("variant", [
    "", "oVirt Node", "oVirt Node @PACKAGE_VERSION@", "oVirt Node v", "oVirt Node 4.5.5 (x)",
    "oVirt Node 4.5.5 on CentOS Stream 9", "oVirt Node \u0664.5.5", "Other 9", "9",
    "oVirt Node " + "9" * 65])
def test_without_a_variant_version_the_pretty_name_gives_the_version(
        tmp_path: Path, variant: str) -> None:
    lines = [f'VARIANT="{variant}"'] if variant else []
    target = identify(node(tmp_path / "root", *lines, 'PRETTY_NAME="oVirt Node 4.5.6"',
                           nvr="ovirt-node-ng-1.0-1.0"))
    assert target.version == "4.5.6"


@pytest.mark.parametrize(("nvr", "version"), [
    ("ovirt-node-ng-4.5.5-0.20231130.0", "4.5.5"),
    ("ovirt-node-ng-4.5.6_master-0.20240515.0\n", "4.5.6_master"),
    ("ovirt-node-ng-4.5.5-0.20231130.0+1", "4.5.5"), ("ovirt-node-ng-image-4.5.5-1.el9", "4.5.5"),
    ("", ""), ("4.5.5", ""), ("ovirt-node-ng", ""), ("a-\x1b[31m4-5", ""), ("a-4.5.5 -1", ""),
    ("a-\u0664.5-1", "")])
def test_without_both_the_image_name_gives_the_version(tmp_path: Path, nvr: str,
                                                       version: str) -> None:
    target = identify(node(tmp_path / "root", 'PRETTY_NAME="oVirt Node"', nvr=nvr))
    assert target.version == version
    assert target.name == f"oVirt Node {version or 'of unknown version'}"


@pytest.mark.parametrize("pretty", ["", "CentOS Stream 9", "AlmaLinux 9.4", "9.1.2206.0"])
def test_the_version_of_the_distribution_is_never_that_of_the_node(
        tmp_path: Path, pretty: str) -> None:
    root = node(tmp_path / "root", f'PRETTY_NAME="{pretty}"', f'VARIANT="{pretty}"')
    assert identify(root).version == ""


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line_of_os_release(tmp_path: Path, character: str) -> None:
    root = node(tmp_path / "root", f'NAME="x{character}VARIANT_ID=rhel"')
    assert identify(root).kind == NODE


def test_a_looping_os_release_is_read_from_usr_lib(tmp_path: Path) -> None:
    root = node(tmp_path / "root", 'VARIANT="oVirt Node 4.5.5"')
    (root / "usr/lib").mkdir(parents=True)
    (root / "etc/os-release").rename(root / "usr/lib/os-release")
    (root / "etc/os-release").symlink_to("os-release")
    assert identify(root).version == "4.5.5"


def test_a_looping_image_name_gives_no_version(tmp_path: Path) -> None:
    root = node(tmp_path / "root", nvr="")
    path = root / "usr/share/imgbase/build/meta/nvr"
    path.unlink()
    path.symlink_to("nvr")
    assert identify(root).version == ""


def test_a_host_has_the_version_of_its_distribution(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="Example 9.2"\nVERSION_ID="9.2"\n')
    target = identify(tmp_path)
    assert (target.kind, target.version, target.name) == (HOST, "9.2", "Example 9.2")

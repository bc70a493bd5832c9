"""Several images in one merge: of one version, with one question, all or none."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.errors import Refused, RolledBack, Status, UsageError
from ovirt_node_plugin.images.image import FOLDER, Image, Layout
from ovirt_node_plugin.merge import disk_space
from ovirt_node_plugin.merge.disk_space import SpaceNeed
from ovirt_node_plugin.merge.model import Order
from ovirt_node_plugin.merge.together import (
    ImagesRefused,
    _differences,
    order_for,
    require_one_version,
)
from ovirt_node_plugin.system.path_sets import IMAGE_VERSION
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.program import Program
from tests.support.update_rpm import NAME, RELEASE, VERSION, make_update_rpm


@pytest.fixture(scope="module")
def images(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, ...]:
    """An ISO, and the squashfs on it as an update RPM and as a file."""
    folder = tmp_path_factory.mktemp("images")
    iso, squashfs = folder / "node.iso", folder / "node.squashfs.img"
    shutil.copyfile(built.iso("tree-live"), iso)
    run(["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/LiveOS/squashfs.img", squashfs])
    return iso, make_update_rpm(folder, [squashfs]), squashfs


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder for the outputs."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.mark.root
def test_all_images_get_the_same_plugins(
        program: Program, images: Tuple[Path, ...], site: Path, tmp_path: Path) -> None:
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    listed = tmp_path / "SHA256SUMS"
    listed.write_text(run(["sha256sum", *images]))
    answer = succeeded(program(
        "merge", *images, agent, "-o", site, UNSIGNED, f"--checksum-file={listed}",
        "--keep-bundles", "--site-tag=acme7", "--no-check", stdin="y\n"))
    assert [line for line in answer.out.splitlines() if line.startswith("Image ")] == [
        f"Image {image}:" for image in images]
    assert answer.out.count("Installing agent 1.0") == 3 and answer.out.count("Is this ok") == 1
    assert all(f"Planning ({image.name}) ..." in answer.err for image in images)
    rpm = f"{NAME}-{VERSION}-{RELEASE}.acme7.noarch.rpm"
    written = [site / name for name in ("node.iso", rpm, "node.squashfs.img")]
    assert answer.out.splitlines()[-1:] == [
        "All 3 images have the same plugins with the same packages: agent 1.0."]
    assert all(f"\n{output} is written.\n" in answer.out for output in written)
    assert sorted(site.iterdir()) == sorted(written)
    for output in written:
        assert succeeded(program("extract", output, "/opt/agent/text")).out == "hello\n"

    # an image that has the plugin already is not written again
    again = tmp_path / "again"
    again.mkdir()
    result = succeeded(program("merge", written[0], images[2], agent, "-o", again, UNSIGNED, "-y",
                               "--json", "--no-check")).lines[-1]
    assert [path.name for path in again.iterdir()] == ["node.squashfs.img"]
    assert [(image["image"], image["output"]) for image in result["images"]] == [
        (str(written[0]), None), (str(images[2]), f"{again}/node.squashfs.img")]
    assert result["same_plugins"] is result["done"] is result["changes"] is True
    assert result["notes"] == [
        "All 2 images have the same plugins with the same packages: agent 1.0."]
    existing = program("merge", *images, agent, "-o", site, UNSIGNED, "-y", "--site-tag=acme7")
    assert existing.status == Status.USAGE
    assert f"{site}/node.iso exists already" in existing.err


@pytest.mark.root
def test_the_reasons_against_each_image_are_told(
        program: Program, node: Path, images: Tuple[Path, ...], site: Path,
        tmp_path: Path) -> None:
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = program("merge", node, images[2], agent, "unknown", "-o", site, UNSIGNED, "-y")
    assert answer.status == Status.USAGE
    assert "not all of the images can be merged:" in answer.err
    assert f"{node}, {images[2]}: " in answer.err and "unknown" in answer.err
    damaged, iso = tmp_path / "damaged.img", tmp_path / "damaged.iso"
    damaged.write_bytes(images[2].read_bytes()[:5000])
    iso.write_bytes(images[0].read_bytes()[:50000])
    answer = program("merge", damaged, node, iso, agent, "-o", site, UNSIGNED, "-y", "--json")
    assert answer.status == Status.BAD_IMAGE
    error = answer.lines[-1]["error"]
    assert error["kind"] == "ImagesRefused"
    assert f"  {damaged}: " in error["message"] and f"  {iso}: " in error["message"]
    assert f"  {node}: " not in error["message"]
    assert list(site.iterdir()) == []


@pytest.mark.root
def test_a_failure_in_a_later_image_leaves_no_output(
        program: Program, node: Path, images: Tuple[Path, ...], site: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The first output has its name already when the second one cannot get it."""
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    (programs / "mksquashfs").write_text(
        f'#!/bin/sh\nls -A {site} >>{seen}\n{shutil.which("mksquashfs")} "$@"\n'
        f"touch {site}/node.squashfs.img\n")
    (programs / "mksquashfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    answer = program("merge", node, images[2], agent, "-o", site, UNSIGNED, "-y", "--no-check")
    assert answer.status == Status.DNF, answer.text
    assert f"{site}/node.squashfs.img was created by another process meanwhile" in answer.err
    # until then, the first one was in a temporary folder
    assert [name.split(".ovirt")[0] for name in sorted(seen.read_text().splitlines())] == [
        ".node", ".node.squashfs.img"]
    assert [path.name for path in site.iterdir()] == ["node.squashfs.img"]
    assert list(program.work.iterdir()) == []


@pytest.mark.root
def test_the_space_for_all_outputs_is_needed_at_once(tmp_path: Path) -> None:
    images = [make_image(tmp_path, name, "4.5.5", "") for name in ("one", "other")]
    for image in images:
        (image.root / "large").write_bytes(b"x" * (20 << 20))
    small = tmp_path / "small"
    small.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", small])
    try:
        needs = [SpaceNeed(image, small / image.name, 0, recompressed=False) for image in images]
        for need in needs:
            disk_space.check(tmp_path, [need])
        with pytest.raises(RolledBack, match=f"needs about .* on the disk of {small}"):
            disk_space.check(tmp_path, needs)
    finally:
        run(["umount", small])


@pytest.mark.root
def test_images_of_different_versions_are_refused(
        program: Program, built: support.Fixtures, site: Path) -> None:
    older, newer = (built.iso("tree-live", version=version) for version in ("4.5.5", "4.5.6"))
    answer = program("merge", older, newer, "agent", "-o", site, "-y")
    assert answer.status == Status.REFUSED
    assert f"  {older}: ovirt-node-ng-4.5.5-" in answer.err
    assert f"  {newer}: ovirt-node-ng-4.5.6-" in answer.err
    assert "Planning" not in answer.err


def make_image(folder: Path, name: str, version: str, nvr: str) -> Image:
    """Return an open image, of which only the versions matter."""
    root = folder / name
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(f'VARIANT_ID=ovirt-node\nVARIANT="oVirt Node {version}"\n')
    if nvr:
        (root / IMAGE_VERSION).parent.mkdir(parents=True)
        (root / IMAGE_VERSION).write_text(f"{nvr}\n")
    return Image(Layout(root, FOLDER), root, root)


@pytest.mark.parametrize(("one", "other", "fit"), [
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", "node-4.5.5-1"), True),
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", "node-4.5.5-1.site3"), True),
    (("4.5.5", "node-4.5.5-1.site1.site2"), ("4.5.5", "node-4.5.5-1"), True),
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", "node-4.5.5-1.acme7"), True),
    (("4.5.5", "node-4.5.5-1.acme2.site3"), ("4.5.5", "node-4.5.5-1"), True),
    (("4.5.5", "node-4.5.5-1.rc1"), ("4.5.5", "node-4.5.5-1.rc2"), False),
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", "node-4.5.5-1.1"), False),
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", "node-4.5.5-2"), False),
    (("4.5.5", "node-4.5.5-1"), ("4.5.5", ""), True),
    (("4.5.5", "node-4.5.5-1"), ("4.5.6", ""), False),
    (("4.5.5", ""), ("4.5.6", ""), False),
    (("4.5.5", ""), ("4.5.5", ""), True)])
def test_the_version_is_that_of_the_image_or_of_its_system(
        one: Tuple[str, str], other: Tuple[str, str], fit: bool, tmp_path: Path) -> None:
    opened = [make_image(tmp_path, "one", *one), make_image(tmp_path, "other", *other)]
    if fit:
        require_one_version(opened)
        return
    with pytest.raises(Refused, match="not of one version") as caught:
        require_one_version(opened)
    assert all(f"  {image.layout.path}: " in caught.value.message for image in opened)


@pytest.mark.parametrize(("kinds", "expected"), [
    (("iso",), ["id"]), (("rpm",), ["id"]), (("iso", "rpm"), ["id", ""]),
    (("rpm", "img"), ["id", "id"]), (("img", "iso", "rpm", "iso"), ["", "id", "", "id"])])
def test_an_option_for_isos_is_for_the_isos_only(
        kinds: Tuple[str, ...], expected: List[str], tmp_path: Path) -> None:
    begins: Dict[str, bytes] = {"iso": bytes(32769) + b"CD001", "rpm": b"\xed\xab\xee\xdb",
                                "img": b"hsqs"}
    images = [tmp_path / f"{number}.{kind}" for number, kind in enumerate(kinds)]
    for image, kind in zip(images, kinds):
        image.write_bytes(begins[kind])
    order = Order(images[0], (), volume_id="id")
    assert [order_for(order, image, images).volume_id for image in images] == expected


def test_plugins_that_are_not_in_all_images_are_told() -> None:
    contents: Dict[str, Dict[str, Tuple[str, ...]]] = {
        "a.iso": {"cim 1": ("x-1", "y-1"), "agent 2": ()}, "b.rpm": {"cim 1": ("x-1",)},
        "c.img": {"cim 1": ("x-1",), "agent 2": ()}}
    assert list(_differences(contents)) == [
        "Plugin agent 2 with no packages is only in a.iso, c.img.",
        "Plugin cim 1 with x-1 is only in b.rpm, c.img.",
        "Plugin cim 1 with x-1, y-1 is only in a.iso."]
    assert not list(_differences({"a.iso": contents["a.iso"], "d.iso": contents["a.iso"]}))


def test_equal_reasons_are_told_once() -> None:
    error = ImagesRefused({"a.iso": Refused("no", hint="Wait."), "b.iso": UsageError("other"),
                           "c.rpm": Refused("no", hint="Wait.")})
    assert error.message.splitlines()[1:] == ["  a.iso, c.rpm: no", "  b.iso: other"]
    assert error.hint.splitlines()[0] == "Wait." and error.hint.count("Wait.") == 1
    assert error.status == Status.REFUSED

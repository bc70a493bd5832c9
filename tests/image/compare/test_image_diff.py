"""``ovirt-node-plugin diff`` on real images."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support import manpages
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf
from tests.support.program import Program

pytestmark = pytest.mark.root

ARGUMENT = '<kernel-argument name="isv.mode" value="fast"/>'
SYSCTL = '<sysctl name="vm.swappiness" value="{}"/>'
# these change with any transaction
ALWAYS = ("etc/ovirt.plugins", "usr/share/ovirt-node-plugin", "usr/share/rpm", "usr/share/dnf")


@dataclass(frozen=True)
class Images:
    """Read-only images by name, in one folder."""

    folder: Path
    program: Program

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def diff(self, old: object, new: object, *words: object) -> Answer:
        """Run the program; a plain name is an image of the folder."""
        paths = [self.folder / str(one) for one in (old, new)]
        answer = self.program("diff", *words, *paths)
        assert list(self.program.work.iterdir()) == []
        return answer

    def found(self, old: object, new: object, *words: object) -> Any:
        """Return what ``--json`` answers."""
        answer = self.diff(old, new, "--json", *words)
        assert answer.status == 0, answer.text
        return answer.json


def squashed(root: Path, image: Path) -> None:
    run(["mksquashfs", root, image, "-comp", "zstd", "-Xcompression-level", "1", "-no-progress"])


def copied(root: Path, to: Path) -> Path:
    """Copy a root with all attributes of its entries."""
    run(["cp", "--archive", "--no-target-directory", "--", root, to])
    return to


@pytest.fixture(scope="module")
def images(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Two versions of Node, and the first with a merged plugin, as ISO and squashfs."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "work").mkdir()
    program = Program(folder / "work", Dnf(folder / "dnf"))
    for version in ("4.5.5", "4.5.6"):
        squashed(built.node_root(folder / f"root-{version}", version), folder / version)
    os.symlink(built.iso("installer"), folder / "4.5.5.iso")
    agent = make_plugin(folder, "agent", files={"/opt/agent/text": "hello"},
                        settings=(SYSCTL.format(5), ARGUMENT))
    for old, new in (("4.5.5", "merged"), ("4.5.5.iso", "merged.iso")):
        answer = program("merge", folder / old, agent, "-o", folder / new, "-y", "--no-check",
                         UNSIGNED)
        assert answer.status == 0, answer.text
    return Images(folder, program)


@pytest.fixture
def agents(images: Images, node: Path, dnf: Dnf, tmp_path: Path) -> Iterator[List[Path]]:
    """Unpacked roots with versions 1.0 and 1.1 of a plugin."""
    roots = []
    for version, swappiness in (("1.0", 5), ("1.1", 9)):
        bundle = make_plugin(tmp_path, "agent", version, files={"/opt/agent/text": version},
                             settings=(SYSCTL.format(swappiness),))
        answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
        assert answer.status == 0, answer.text
        roots.append(copied(node, tmp_path / version))
    yield roots


def kinds(differences: List[Dict[str, Any]], name: str = "name") -> Dict[str, str]:
    return {one[name]: one["kind"] for one in differences}


def own_files(found: Any) -> Dict[str, str]:
    """Return the kinds of files that differ, by path, without what changes always."""
    return {path: kind for path, kind in kinds(found["files"], "path").items()
            if not path.startswith(tuple(f"/{one}" for one in ALWAYS))}


def test_a_merged_plugin_is_reported_with_all_its_changes(images: Images) -> None:
    found = images.found("4.5.5", "merged")
    assert found["plugins"] == [
        {"name": "agent", "kind": "added", "old": None, "new": "1.0", "details": []}]
    assert {(one["plugin"], one["kind"], one["setting"], one["key"], one["old"], one["new"])
            for one in found["settings"]} >= {
        ("agent", "added", "sysctl", "vm.swappiness", None, "5"),
        ("agent", "added", "kernel-argument", "isv.mode", None, "isv.mode=fast")}
    assert found["packages"] == [{"name": "agent", "kind": "added", "old": None,
                                  "new": "agent-1.0-1.noarch", "plugins": ["agent"]}]
    assert own_files(found) == {"/opt/agent": "added", "/opt/agent/text": "added",
                                "/etc/sysctl.d/node-plugin-vm.swappiness.conf": "added"}
    told = kinds(found["files"], "path")
    assert told["/usr/share/rpm/rpmdb.sqlite"] == "changed"
    assert told["/etc/ovirt.plugins.d/agent"] == "added"
    assert (found["boot"], found["around"], found["notes"], found["same"]) == ([], [], [], False)
    assert found["old"] == str(images["4.5.5"]) and found["format"] == 1
    assert {one["name"] for one in found["form"]} <= {"size_bytes"}


def test_the_text_has_totals_before_details(images: Images) -> None:
    answer = images.diff("4.5.5", "merged")
    assert answer.status == 0, answer.text
    lines = answer.out.splitlines()
    assert lines[:2] == [f"Old          : {images['4.5.5']}", f"New          : {images['merged']}"]
    counts = lines[2:lines.index("")]
    assert "Plugins      : 1 added" in counts and "Packages     : 1 added" in counts
    assert any(re.fullmatch(r"Files        : \d+ added, \d+ changed \(content \d+\)", line)
               for line in counts)
    for line in ("  + agent 1.0", "  + agent: sysctl vm.swappiness 5",
                 "  + agent-1.0-1.noarch (agent)", "  + /opt/agent", "  + /opt/agent/text"):
        assert line in lines
    # a database with free pages does not grow with one more package
    (told,) = [one["details"] for one in images.found("4.5.5", "merged")["files"]
               if one["path"] == "/usr/share/rpm/rpmdb.sqlite"]
    assert re.fullmatch(r"size \d+ -> \d+|content", ", ".join(told))
    assert f"  ~ /usr/share/rpm/rpmdb.sqlite: {', '.join(told)}" in lines


def test_the_reverse_comparison_reports_removals(images: Images) -> None:
    found = images.found("merged", "4.5.5")
    assert kinds(found["plugins"]) == {"agent": "removed"}
    assert kinds(found["packages"]) == {"agent": "removed"}
    assert found["packages"][0]["plugins"] == ["agent"]
    assert {one["kind"] for one in found["settings"]} == {"removed"}
    assert own_files(found)["/opt/agent/text"] == "removed"


def test_an_image_has_no_differences_from_itself(images: Images) -> None:
    for image in ("merged", "merged.iso"):
        answer = images.diff(image, image)
        assert (answer.status, answer.err) == (0, "")
        assert answer.out == (f"Old          : {images[image]}\nNew          : {images[image]}\n"
                              "Differences  : none\n")
        assert images.found(image, image)["same"] is True


def test_only_plugins_can_be_compared(images: Images) -> None:
    found = images.found("merged.iso", "4.5.6", "--plugins")
    assert kinds(found["plugins"]) == kinds(found["packages"]) == {"agent": "removed"}
    assert {one["plugin"] for one in found["settings"]} == {"agent"}
    assert found["boot"] and {one["kind"] for one in found["boot"]} == {"removed"}
    assert (found["files"], found["around"], found["form"]) == (None, None, None)
    assert images.found("4.5.5", "4.5.6", "--plugins")["same"] is True


def test_differences_of_two_node_versions_are_reported(images: Images) -> None:
    found = images.found("4.5.5", "4.5.6")
    packages = {one["name"]: (one["old"], one["new"]) for one in found["packages"]}
    assert packages["vdsm"] == ("vdsm-4.50.5-1.el9.x86_64", "vdsm-4.50.6-1.el9.x86_64")
    assert {"name": "system", "old": "oVirt Node 4.5.5", "new": "oVirt Node 4.5.6"} in found["form"]
    assert (found["plugins"], found["settings"]) == ([], [])
    files = kinds(found["files"], "path")
    # same size and time, but different content
    release = "usr/lib/os.release.d/ovirt-release-host-node"
    stats = [os.lstat(images[f"root-{version}"] / release) for version in ("4.5.5", "4.5.6")]
    assert len({(info.st_size, int(info.st_mtime)) for info in stats}) == 1
    assert files[f"/{release}"] == "changed"
    lines = images.diff("4.5.5", "4.5.6").out.splitlines()
    assert "  ~ vdsm.x86_64 4.50.5-1.el9 -> 4.50.6-1.el9" in lines
    modules = [path for path in files if re.match("/usr/lib/modules/.*427", path)]
    (folded,) = [line for line in lines if re.match("  . /usr/lib/modules/.*427", line)]
    assert folded == f"  + {min(modules)}/ and {len(modules) - 1} entries"


def test_files_of_an_unchanged_package_are_read_on_request(images: Images, tmp_path: Path) -> None:
    """Same size and time: only an attempt to hide a change results in this."""
    root = copied(images["root-4.5.5"], tmp_path / "root")
    owned, own = root / "usr/bin/virsh", root / "usr/bin/own"
    info = owned.stat()
    for path in (owned, own):
        path.write_bytes(b"y" * info.st_size)
        os.utime(path, ns=(0, info.st_mtime_ns))
        path.chmod(info.st_mode & 0o7777)
    before = copied(root, tmp_path / "before")
    for path in (before / "usr/bin/own", before / "usr/bin/virsh"):
        path.write_bytes(b"z" * info.st_size)
        os.utime(path, ns=(0, info.st_mtime_ns))
    assert own_files(images.found(before, root)) == {"/usr/bin/own": "changed"}
    assert own_files(images.found(before, root, "--content")) == {
        "/usr/bin/own": "changed", "/usr/bin/virsh": "changed"}
    os.utime(before / "usr/bin/virsh", ns=(0, info.st_mtime_ns + 10**9))
    assert own_files(images.found(before, root)) == {
        "/usr/bin/own": "changed", "/usr/bin/virsh": "changed"}


def test_an_upgrade_is_reported_with_old_and_new_version(
        images: Images, agents: List[Path]) -> None:
    found = images.found(*agents)
    assert found["plugins"] == [
        {"name": "agent", "kind": "changed", "old": "1.0", "new": "1.1", "details": []}]
    assert found["packages"] == [
        {"name": "agent", "kind": "changed", "old": "agent-1.0-1.noarch",
         "new": "agent-1.1-1.noarch", "plugins": ["agent"]}]
    (setting,) = [one for one in found["settings"] if one["setting"] == "sysctl"]
    assert (setting["kind"], setting["old"], setting["new"]) == ("changed", "5", "9")
    lines = images.diff(*agents, "--plugins").out.splitlines()
    for line in ("  ~ agent 1.0 -> 1.1", "  ~ agent: sysctl vm.swappiness 5 -> 9",
                 "  ~ agent.noarch 1.0-1 -> 1.1-1 (agent)"):
        assert line in lines


def test_an_unreadable_record_is_reported(images: Images, agents: List[Path]) -> None:
    (agents[0] / "etc/ovirt.plugins.d/agent").write_text("junk")
    found = images.found(*agents, "--plugins")
    assert len(found["notes"]) == 1
    assert found["notes"][0].startswith(f"{agents[0]}: ") and "plugins.d/agent" in found["notes"][0]
    assert "Note: " in images.diff(*agents, "--plugins").out


def test_differences_of_isos_include_boot_entries(images: Images) -> None:
    found = images.found("4.5.5.iso", "merged.iso")
    places = {one["place"] for one in found["boot"]}
    assert {"/isolinux/isolinux.cfg", "/EFI/BOOT/grub.cfg",
            "/images/efiboot.img:/EFI/BOOT/grub.cfg"} <= places
    assert {(one["kind"], *one["added"], *one["removed"]) for one in found["boot"]} == {
        ("changed", "isv.mode=fast")}
    around = kinds(found["around"], "path")
    assert around.pop("/ovirt-node-plugins.json") == "added"
    assert set(around.values()) == {"changed"}
    assert set(around) == {place.partition(":")[0] for place in places}
    assert own_files(found)["/opt/agent/text"] == "added"
    lines = images.diff("4.5.5.iso", "merged.iso").out.splitlines()
    place = lines.index("Kernel arguments of boot entries:")
    assert lines[place + 1] == "  ~ +isv.mode=fast"
    assert lines[place + 2].startswith("      /EFI/BOOT/grub.cfg: ")


def test_images_of_different_forms_can_be_compared(images: Images) -> None:
    found = images.found("4.5.5", "4.5.5.iso", "--image", "/ovirt-node-ng-image.squashfs.img")
    form = {one["name"]: (one["old"], one["new"]) for one in found["form"]}
    assert form["nesting"] == ("squashfs", "iso > squashfs > ext4")
    assert form["filesystem_label"] == (None, "LiveOS")
    assert form["payload"] == (None, "/ovirt-node-ng-image.squashfs.img")
    assert form["compression"][0].startswith("zstd")
    assert {one["kind"] for one in found["boot"]} == {"added"}
    assert found["around"] == []
    assert own_files(found) == {"/lost+found": "added"}
    assert "  ~ nesting squashfs -> iso > squashfs > ext4" in images.diff(
        "4.5.5", "4.5.5.iso").out.splitlines()


def test_control_characters_of_names_in_images_are_escaped(images: Images, tmp_path: Path) -> None:
    root = copied(images["root-4.5.5"], tmp_path / "root")
    with open(os.fsencode(root) + b"/etc/\x1b[31m\n\xff", "wb"):
        pass
    answer = images.diff("root-4.5.5", root)
    assert "  + /etc/\\x1b[31m\\n\\udcff\n" in answer.out
    found = own_files(images.found("root-4.5.5", root))
    assert [os.fsencode(path) for path in found] == [b"/etc/\x1b[31m\n\xff"]


@pytest.mark.parametrize("name, status, told, first, form", [
    ("missing.iso", 2, "missing.iso", True, ""), ("junk", 10, "junk", True, "--json"),
    ("junk", 10, "junk", False, ""), ("empty", 10, "empty", False, ""),
    ("bare", 2, "no rpm database", False, "--json")])
def test_a_file_that_is_no_image_is_named(images: Images, tmp_path: Path, name: str, status: int,
                                          told: str, first: bool, form: str) -> None:
    (tmp_path / "junk").write_bytes(b"x" * 5000)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare/etc").mkdir(parents=True)
    (tmp_path / "bare/etc/os-release").write_text("NAME=x\n")
    pair = [tmp_path / name, images["4.5.5"]]
    answer = images.diff(*(pair if first else reversed(pair)), *filter(None, [form]))
    assert answer.status == status
    said = answer.json["error"]["message"] if form else answer.err
    assert told in said
    assert form or answer.out == ""


def test_two_images_are_required(images: Images) -> None:
    answer = images.program("diff", images["4.5.5"])
    assert answer.status == 2 and "NEW" in answer.err


def names_in(value: Any) -> Iterator[str]:
    """Yield every name in a JSON document, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def test_names_in_json_are_explained(images: Images) -> None:
    words = set(re.findall(r"\w+", manpages.prose(
        manpages.section("ovirt-node-plugin.8", "JSON"))))
    assert set(names_in(images.found("4.5.5.iso", "merged"))) - words == set()

"""``ovirt-node-plugin diff`` on real images."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from ovirt_node_plugin.system.path_sets import FACTORY
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
ALWAYS = ("etc/ovirt.plugins", "usr/lib/ovirt.plugins", f"{FACTORY}/etc/ovirt.plugins",
          "usr/share/ovirt-node-plugin", "usr/share/rpm", "usr/share/dnf")


@dataclass(frozen=True)
class Images:
    """Read-only images by name, in one folder."""

    folder: Path
    program: Program

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def diff(self, old: object, new: object, *words: object) -> Answer:
        """Run the program; a plain name is an image of the folder."""
        paths = [self.folder / str(name) for name in (old, new)]
        answer = self.program("diff", *words, *paths)
        assert list(self.program.work.iterdir()) == []
        return answer

    def differences(self, old: object, new: object, *words: object) -> Any:
        """Return the answer of ``--json``."""
        answer = self.diff(old, new, "--json", *words)
        assert answer.status == 0, answer.text
        return answer.json


def pack_root(root: Path, image: Path) -> None:
    run(["mksquashfs", root, image, "-comp", "zstd", "-Xcompression-level", "2", "-no-progress"])


def copy_root(root: Path, to: Path) -> Path:
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
        pack_root(built.node_root(folder / f"root-{version}", version), folder / version)
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
        roots.append(copy_root(node, tmp_path / version))
    yield roots


def kinds(differences: List[Dict[str, Any]], name: str = "name") -> Dict[str, str]:
    return {difference[name]: difference["kind"] for difference in differences}


def own_files(document: Any) -> Dict[str, str]:
    """Return the kinds of files that differ, by path, without those that always change."""
    return {path: kind for path, kind in kinds(document["files"], "path").items()
            if not path.startswith(tuple(f"/{prefix}" for prefix in ALWAYS))}


def test_a_merged_plugin_is_reported_with_all_its_changes(images: Images) -> None:
    result = images.differences("4.5.5", "merged")
    assert result["plugins"] == [
        {"name": "agent", "kind": "added", "old": None, "new": "1.0", "details": []}]
    assert {(item["plugin"], item["kind"], item["setting"], item["key"], item["old"], item["new"])
            for item in result["settings"]} >= {
        ("agent", "added", "sysctl", "vm.swappiness", None, "5"),
        ("agent", "added", "kernel-argument", "isv.mode", None, "isv.mode=fast")}
    assert result["packages"] == [{"name": "agent", "kind": "added", "old": None,
                                  "new": "agent-1.0-1.noarch", "plugins": ["agent"]}]
    setting = "etc/sysctl.d/node-plugin-vm.swappiness.conf"
    assert own_files(result) == {"/opt/agent": "added", "/opt/agent/text": "added",
                                f"/{setting}": "added", f"/{FACTORY}/{setting}": "added"}
    files = kinds(result["files"], "path")
    assert files["/usr/share/rpm/rpmdb.sqlite"] == "changed"
    assert files["/etc/ovirt.plugins.d/agent"] == "added"
    assert files["/usr/lib/ovirt.plugins.d/agent"] == "added"
    assert (result["boot"], result["around"], result["notes"]) == ([], [], [])
    assert result["same"] is False
    assert result["old"] == str(images["4.5.5"]) and result["format"] == 1
    assert {item["name"] for item in result["form"]} <= {"size_bytes"}


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
    (details,) = [file["details"] for file in images.differences("4.5.5", "merged")["files"]
                  if file["path"] == "/usr/share/rpm/rpmdb.sqlite"]
    assert re.fullmatch(r"size \d+ -> \d+|content", ", ".join(details))
    assert f"  ~ /usr/share/rpm/rpmdb.sqlite: {', '.join(details)}" in lines


def test_the_reverse_comparison_reports_removals(images: Images) -> None:
    result = images.differences("merged", "4.5.5")
    assert kinds(result["plugins"]) == {"agent": "removed"}
    assert kinds(result["packages"]) == {"agent": "removed"}
    assert result["packages"][0]["plugins"] == ["agent"]
    assert {setting["kind"] for setting in result["settings"]} == {"removed"}
    assert own_files(result)["/opt/agent/text"] == "removed"


def test_an_image_has_no_differences_from_itself(images: Images) -> None:
    for image in ("merged", "merged.iso"):
        answer = images.diff(image, image)
        assert (answer.status, answer.err) == (0, "")
        assert answer.out == (f"Old          : {images[image]}\nNew          : {images[image]}\n"
                              "Differences  : none\n")
        assert images.differences(image, image)["same"] is True


def test_only_plugins_can_be_compared(images: Images) -> None:
    result = images.differences("merged.iso", "4.5.6", "--plugins")
    assert kinds(result["plugins"]) == kinds(result["packages"]) == {"agent": "removed"}
    assert {item["plugin"] for item in result["settings"]} == {"agent"}
    assert result["boot"] and {item["kind"] for item in result["boot"]} == {"removed"}
    assert (result["files"], result["around"], result["form"]) == (None, None, None)
    assert images.differences("4.5.5", "4.5.6", "--plugins")["same"] is True


def test_differences_of_two_node_versions_are_reported(images: Images) -> None:
    result = images.differences("4.5.5", "4.5.6")
    packages = {package["name"]: (package["old"], package["new"]) for package in result["packages"]}
    assert packages["vdsm"] == ("vdsm-4.50.5-1.el9.x86_64", "vdsm-4.50.6-1.el9.x86_64")
    assert {"name": "system", "old": "oVirt Node 4.5.5",
            "new": "oVirt Node 4.5.6"} in result["form"]
    assert (result["plugins"], result["settings"]) == ([], [])
    files = kinds(result["files"], "path")
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
    root = copy_root(images["root-4.5.5"], tmp_path / "root")
    owned, own = root / "usr/bin/virsh", root / "usr/bin/own"
    info = owned.stat()
    for path in (owned, own):
        path.write_bytes(b"y" * info.st_size)
        os.utime(path, ns=(0, info.st_mtime_ns))
        path.chmod(info.st_mode & 0o7777)
    before = copy_root(root, tmp_path / "before")
    for path in (before / "usr/bin/own", before / "usr/bin/virsh"):
        path.write_bytes(b"z" * info.st_size)
        os.utime(path, ns=(0, info.st_mtime_ns))
    assert own_files(images.differences(before, root)) == {"/usr/bin/own": "changed"}
    assert own_files(images.differences(before, root, "--content")) == {
        "/usr/bin/own": "changed", "/usr/bin/virsh": "changed"}
    os.utime(before / "usr/bin/virsh", ns=(0, info.st_mtime_ns + 10**9))
    assert own_files(images.differences(before, root)) == {
        "/usr/bin/own": "changed", "/usr/bin/virsh": "changed"}


def test_an_upgrade_is_reported_with_old_and_new_version(
        images: Images, agents: List[Path]) -> None:
    result = images.differences(*agents)
    assert result["plugins"] == [
        {"name": "agent", "kind": "changed", "old": "1.0", "new": "1.1", "details": []}]
    assert result["packages"] == [
        {"name": "agent", "kind": "changed", "old": "agent-1.0-1.noarch",
         "new": "agent-1.1-1.noarch", "plugins": ["agent"]}]
    (setting,) = [item for item in result["settings"] if item["setting"] == "sysctl"]
    assert (setting["kind"], setting["old"], setting["new"]) == ("changed", "5", "9")
    lines = images.diff(*agents, "--plugins").out.splitlines()
    for line in ("  ~ agent 1.0 -> 1.1", "  ~ agent: sysctl vm.swappiness 5 -> 9",
                 "  ~ agent.noarch 1.0-1 -> 1.1-1 (agent)"):
        assert line in lines


def test_an_unreadable_record_is_reported(images: Images, agents: List[Path]) -> None:
    (agents[0] / "usr/lib/ovirt.plugins.d/agent").write_text("junk")
    result = images.differences(*agents, "--plugins")
    (note,) = result["notes"]
    assert note.startswith(f"{agents[0]}: ") and "plugins.d/agent" in note
    assert "Note: " in images.diff(*agents, "--plugins").out


def test_differences_of_isos_include_boot_entries(images: Images) -> None:
    result = images.differences("4.5.5.iso", "merged.iso")
    places = {entry["place"] for entry in result["boot"]}
    assert {"/isolinux/isolinux.cfg", "/EFI/BOOT/grub.cfg",
            "/images/efiboot.img:/EFI/BOOT/grub.cfg"} <= places
    assert {(entry["kind"], *entry["added"], *entry["removed"]) for entry in result["boot"]} == {
        ("changed", "isv.mode=fast")}
    around = kinds(result["around"], "path")
    assert around.pop("/ovirt-node-plugins.json") == "added"
    assert set(around.values()) == {"changed"}
    assert set(around) == {place.partition(":")[0] for place in places}
    assert own_files(result)["/opt/agent/text"] == "added"
    lines = images.diff("4.5.5.iso", "merged.iso").out.splitlines()
    place = lines.index("Boot entries:")
    assert lines[place + 1] == "  ~ +isv.mode=fast"
    assert lines[place + 2].startswith("      /EFI/BOOT/grub.cfg: ")


def test_images_of_different_forms_can_be_compared(images: Images) -> None:
    result = images.differences(
        "4.5.5", "4.5.5.iso", "--image", "/ovirt-node-ng-image.squashfs.img")
    form = {item["name"]: (item["old"], item["new"]) for item in result["form"]}
    assert form["nesting"] == ("squashfs", "iso > squashfs > ext4")
    assert form["filesystem_label"] == (None, "LiveOS")
    assert form["payload"] == (None, "/ovirt-node-ng-image.squashfs.img")
    assert form["compression"][0].startswith("zstd")
    assert {item["kind"] for item in result["boot"]} == {"added"}
    assert result["around"] == []
    assert own_files(result) == {"/lost+found": "added"}
    assert "  ~ nesting squashfs -> iso > squashfs > ext4" in images.diff(
        "4.5.5", "4.5.5.iso").out.splitlines()


def test_control_characters_of_names_in_images_are_escaped(images: Images, tmp_path: Path) -> None:
    root = copy_root(images["root-4.5.5"], tmp_path / "root")
    with open(os.fsencode(root) + b"/etc/\x1b[31m\n\xff", "wb"):
        pass
    answer = images.diff("root-4.5.5", root)
    assert "  + /etc/\\x1b[31m\\n\\udcff\n" in answer.out
    files = own_files(images.differences("root-4.5.5", root))
    assert [os.fsencode(path) for path in files] == [b"/etc/\x1b[31m\n\xff"]


@pytest.mark.parametrize("name, status, expected, first, form", [
    ("missing.iso", 2, "missing.iso", True, ""), ("junk", 10, "junk", True, "--json"),
    ("junk", 10, "junk", False, ""), ("empty", 10, "empty", False, ""),
    ("bare", 2, "no rpm database", False, "--json")])
def test_a_file_that_is_no_image_is_named(images: Images, tmp_path: Path, name: str, status: int,
                                          expected: str, first: bool, form: str) -> None:
    (tmp_path / "junk").write_bytes(b"x" * 5000)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare/etc").mkdir(parents=True)
    (tmp_path / "bare/etc/os-release").write_text("NAME=x\n")
    pair = [tmp_path / name, images["4.5.5"]]
    answer = images.diff(*(pair if first else reversed(pair)), *filter(None, [form]))
    assert answer.status == status
    message = answer.json["error"]["message"] if form else answer.err
    assert expected in message
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
    assert set(names_in(images.differences("4.5.5.iso", "merged"))) - words == set()

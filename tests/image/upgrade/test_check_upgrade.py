"""``dnf node-plugin check-upgrade``: what becomes of installed plugins in another image."""
from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state
from tests.support.update_rpm import make_update_rpm

pytestmark = pytest.mark.root


@dataclass(frozen=True)
class Upgrade:
    """A root with plugins, that of the next image, and the image as a squashfs and in an RPM.

    The library has the bundles of ``lost`` and of ``newer`` in version 1.0, and one of ``gone``
    that fits nowhere. The bundles from which ``gone`` and ``newer`` 2.0 came are deleted.
    """

    dnf: Dnf
    old: Path
    new: Path
    squashfs: Path
    rpm: Path

    def check(self, *words: object) -> Any:
        """Return the answer for the installed root, which is lost to some plugins."""
        answer = self.dnf.plugin(self.old, "check-upgrade", "--json", *words)
        assert answer.status == Status.BROKEN, answer.text
        return answer.json


@pytest.fixture(scope="module")
def upgrade(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    folder = tmp_path_factory.mktemp("upgrade")
    dnf = Dnf(folder / "dnf")
    old, new = built.node_root(folder / "old"), built.node_root(folder / "new", "4.5.6")
    same, lost, gone = (make_plugin(folder, name) for name in ("same", "lost", "gone"))
    newer, newest = (make_plugin(
        folder, "newer", version, files={"/etc/newer.conf": f"default of {version}"},
        attributes={"/etc/newer.conf": "%config(noreplace)"}) for version in ("1.0", "2.0"))
    descriptor = lost / "node-plugin.xml"
    descriptor.write_text(descriptor.read_text().replace("</packages>", (
        '</packages><parameters><parameter name="server" type="address">its server</parameter>'
        "</parameters>")))
    succeeded(dnf(old, UNSIGNED, "-y", "node-plugin", "install", same, newer, lost, gone,
                  "--set", "lost.server=10.0.0.1"))
    succeeded(dnf(new, UNSIGNED, "-y", "node-plugin", "install", same, newest))
    (old / "etc/newer.conf").write_text("of the administrator")
    for name, bundle in (("lost", lost), ("newer", newer), ("gone", make_plugin(
            folder, "gone", "1.1", requires="what-no-image-has"))):
        shutil.copytree(bundle, dnf.own_library / name, symlinks=True)
    for bundle in (gone, newest):
        shutil.rmtree(bundle)
    squashfs = folder / "new.squashfs.img"
    run(["mksquashfs", new, squashfs, "-comp", "zstd", "-no-progress"])
    return Upgrade(dnf, old, new, squashfs, make_update_rpm(folder, [squashfs]))


def test_the_fate_of_every_plugin_is_printed(
        upgrade: Upgrade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = tree_state(upgrade.old)
    answer = upgrade.dnf.plugin(upgrade.old, "check-upgrade", upgrade.rpm)
    library = upgrade.dnf.own_library
    assert answer.status == Status.BROKEN
    lines = answer.out.splitlines()
    reason = [line for line in lines if line.startswith("    ")]
    assert "what-no-image-has" in "".join(reason)
    assert [line for line in lines if line not in reason] == [
        f"Image        : {upgrade.rpm}",
        "System       : oVirt Node 4.5.5 -> oVirt Node 4.5.6",
        "gone 1.0: missing",
        f"  cannot be restored from {library}/gone, version 1.1:"
        " plugin gone 1.1 cannot go into oVirt Node 4.5.6: a dependency is not met.",
        "lost 1.0: missing",
        f"  can be restored from {library}/lost, version 1.0",
        "newer 1.0: newer, 2.0",
        "  /etc/newer.conf, which was changed, is kept; the image's differs from it and is not"
        " used",
        "same 1.0: the same version",
        "2 of 4 plugins survive the upgrade.",
        f"To keep the others: ovirt-node-plugin merge {upgrade.rpm} BUNDLE-OF-gone {library}/lost"
        " --set=lost.server=10.0.0.1 -o OUTPUT"]
    assert list(tmp_path.iterdir()) == []
    assert state_differences(before, tree_state(upgrade.old)) == []


def test_the_answer_as_json_has_every_plugin(upgrade: Upgrade) -> None:
    answer = upgrade.check(upgrade.squashfs)
    assert answer["image"] == {"path": str(upgrade.squashfs), "kind": "node", "version": "4.5.6",
                               "name": "oVirt Node 4.5.6"}
    assert (answer["ok"], answer["added"], answer["notes"]) == (False, [], [])
    assert {plugin["name"]: (plugin["state"], plugin["old_version"], plugin["new_version"])
            for plugin in answer["plugins"]} == {
        "same": ("same", "1.0", "1.0"), "newer": ("newer", "1.0", "2.0"),
        "lost": ("missing", "1.0", ""), "gone": ("missing", "1.0", "")}
    fits = {plugin["name"]: not plugin["restoration"]["reason"]
            for plugin in answer["plugins"] if plugin["restoration"]}
    assert fits == {"lost": True, "gone": False}


def test_an_upgrade_that_loses_no_plugin_succeeds(
        upgrade: Upgrade, node: Path) -> None:
    answer = succeeded(upgrade.dnf.plugin(upgrade.new, "check-upgrade", upgrade.squashfs))
    assert "newer 2.0: the same version\n" in answer.out
    assert answer.out.endswith("All plugins survive the upgrade.\n")
    answer = succeeded(upgrade.dnf.plugin(node, "check-upgrade", upgrade.squashfs))
    assert "The image also has: newer 2.0, same 1.0\n" in answer.out
    assert answer.out.endswith(f"No plugins are installed in {node}.\n")


def test_an_older_image_is_named(upgrade: Upgrade) -> None:
    answer = upgrade.dnf.plugin(upgrade.new, "check-upgrade", upgrade.old)
    assert answer.status == Status.BROKEN
    assert ("newer 2.0: older, 1.0\n"
            "  cannot be restored: there is no bundle of version 2.0 or newer in the library, which"
            f" has 1.0, nor at {upgrade.squashfs.parent}/newer-2.0\n") in answer.out
    assert ("Note: The image contains oVirt Node 4.5.5, which is older than the installed"
            " oVirt Node 4.5.6.\n") in answer.out
    assert answer.out.endswith(f" merge {upgrade.old} BUNDLE-OF-newer"
                               f" --plugins-from={upgrade.new} -o OUTPUT\n")


def test_a_plugin_without_its_packages_does_not_survive(upgrade: Upgrade, tmp_path: Path) -> None:
    image = Path(shutil.copytree(upgrade.new, tmp_path / "image", symlinks=True))
    run(["rpm", "--root", image, "--dbpath", "/usr/share/rpm", "--erase", "--justdb", "--nodeps",
         "--noscripts", "same"])
    answer = upgrade.check(image)
    (broken,) = [plugin for plugin in answer["plugins"] if plugin["name"] == "same"]
    assert broken["state"] == "broken"
    assert broken["problems"] == ["package same-1.0-1.noarch of its record is not installed"]
    assert broken["restoration"] is None
    # it would not be merged again into this image
    assert answer["next_step"].startswith("ovirt-node-plugin merge IMAGE-WITHOUT-PLUGINS ")


def test_an_image_that_is_damaged_is_refused(upgrade: Upgrade, tmp_path: Path) -> None:
    def refused(image: Path, *words: object) -> Any:
        answer = upgrade.dnf.plugin(upgrade.old, "check-upgrade", "--json", image, *words)
        error = answer.json["error"]
        assert answer.status == error["status"]
        return error

    data = bytearray(upgrade.rpm.read_bytes())
    data[len(data) // 2] ^= 0xff
    damaged, text = tmp_path / "damaged.rpm", tmp_path / "text"
    damaged.write_bytes(data)
    text.write_text("no image")
    assert refused(damaged)["status"] == Status.BAD_IMAGE
    error = refused(text)
    assert (error["status"], error["kind"]) == (Status.BAD_IMAGE, "BadImage")
    error = refused(upgrade.rpm, f"--sha256={'0' * 64}")
    assert error["status"] == Status.BAD_IMAGE
    assert "is not the image that --sha256 names" in error["message"]
    error = refused(tmp_path / "nothing")
    assert (error["status"], error["kind"]) == (Status.USAGE, "UsageError")
    assert refused(upgrade.rpm, upgrade.rpm)["status"] == Status.USAGE

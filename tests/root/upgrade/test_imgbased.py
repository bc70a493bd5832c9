"""Plugins and the administrator's changes of /etc and /var survive an upgrade by imgbased."""
from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.places import ETC
from ovirt_node_plugin.system.entries import Entry, read_entry
from ovirt_node_plugin.system.path_sets import FACTORY, FACTORY_ETC
from ovirt_node_plugin.undo.changes import comparable
from tests import support
from tests.support import imgbased
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
WANTS = "etc/systemd/system/multi-user.target.wants"
ACCOUNTS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")
# /etc/default/grub and accounts are merged by imgbased; what a program makes again is left out.
MERGED = (*ACCOUNTS, *(f"{path}-" for path in ACCOUNTS))


def acme(folder: Path, version: str) -> Path:
    """Return a plugin with each kind of setting that is files in /etc; they tell the version."""
    extra = "old" if version == "1.0" else "new"
    share = "/usr/share/acme"
    settings = [
        '<service name="acme.service" state="enabled"/>',
        f'<service name="acme-{extra}.service" state="enabled"/>',
        '<service name="sshd.service" state="disabled"/>',
        f'<sysctl name="net.core.somaxconn" value="{version[0]}024"/>',
        '<group name="acme"/>', '<user name="acme" group="acme"/>',
        f'<udev-rules name="60-acme.rules" source="{share}/acme.rules"/>',
        f'<multipath-config name="acme.conf" source="{share}/multipath.conf"/>',
        f'<tmpfiles name="acme.conf" source="{share}/tmpfiles.conf"/>',
        f'<logrotate name="acme" source="{share}/logrotate"/>',
        '<unit-drop-in unit="virtqemud.service" name="acme.conf"'
        f' source="{share}/drop-in.conf"/>',
        f'<kernel-module name="dm_multipath" options="acme={version[0]}"/>']
    files = {"/etc/acme/acme.conf": f"version={version}\n", "/etc/acme/same.conf": "same\n",
             f"/etc/acme/{extra}.conf": "x\n", f"/etc/{extra}/only": "x\n",
             f"{share}/acme.rules": f'KERNEL=="sd*", ENV{{acme}}="{version}"\n',
             f"{share}/multipath.conf": f"# {version}\n",
             f"{share}/tmpfiles.conf": f"d /run/acme-{version} 0755 root root\n",
             f"{share}/logrotate": f"/var/log/acme-{version}.log {{\n}}\n",
             f"{share}/drop-in.conf": f"[Service]\nEnvironment=ACME={version}\n",
             "/var/lib/acme/settings": f"{version}\n", "/var/lib/acme/shipped": f"{version}\n",
             f"/var/lib/acme/{extra}/x": "x\n",
             "/usr/lib/systemd/system/acme.service": UNIT,
             f"/usr/lib/systemd/system/acme-{extra}.service": UNIT}
    return make_plugin(
        folder, "acme", version, settings=settings, files=files, requires=["busybox"],
        attributes=dict.fromkeys(("/etc/acme/acme.conf", "/var/lib/acme/settings"),
                                 "%config(noreplace)"),
        scriptlets={"post": f"echo 'acme={version}' >> /etc/libvirt/libvirtd.conf"})


@dataclass(frozen=True)
class Roots:
    """The roots of layers, which no test changes."""

    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def paths(self, name: str) -> List[str]:
        """Return the paths of /etc that the plugin changed in a root, without accounts."""
        factory = store.read_undo_data(self[name], "acme").state.factory
        paths = [change.path[len(FACTORY) + 1:] for change in factory]
        return [path for path in paths if path not in MERGED]


@pytest.fixture(scope="module")
def roots(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Roots:
    """Nodes without the plugin, with it, and with it as before the pristine copy followed."""
    folder = tmp_path_factory.mktemp("layers")
    found, dnf = Roots(folder), Dnf(folder / "dnf")
    for name, image, version in (("old", "4.5.5", ""), ("old-1", "4.5.5", "1.0"),
                                 ("new", "4.5.6", ""), ("new-2", "4.5.6", "2.0")):
        built.node_root(found[name], image)
        if version:
            succeeded(dnf.plugin(found[name], "install", "-y", UNSIGNED,
                                 acme(folder / "bundles", version)))
    support.copy_tree(found["old-1"], found["old-1-unmirrored"])
    shutil.rmtree(found["old-1-unmirrored"] / FACTORY_ETC)
    support.copy_tree(found["old"] / FACTORY_ETC, found["old-1-unmirrored"] / FACTORY_ETC)
    return found


@contextlib.contextmanager
def upgraded(old: Path, new: Path, work: Path) -> Iterator[Path]:
    """Upgrade from the layer ``old``, and yield the mounted layer ``new``."""
    work.mkdir()
    var = support.copy_tree(old / "var", work / "var")
    old_layer, new_layer = (imgbased.make_layer(root, work / f"{number}.img")
                            for number, root in enumerate((old, new)))
    imgbased.upgrade(old_layer, new_layer, var, work)
    with imgbased.mounted(new_layer, work / "result") as root:
        yield root


def states(root: Path, paths: List[str]) -> Dict[str, Optional[Entry]]:
    return {path: comparable(read_entry(root, path)) for path in paths}


def registry(root: Path) -> Dict[str, bytes]:
    """Return the content of the files of the registry in /etc."""
    return {path: (root / path).read_bytes() for path in ETC.files("acme")
            if (root / path).exists()}


def is_file(root: Path, path: str) -> bool:
    entry = read_entry(root, path, content=False)
    return entry is not None and entry.kind != "dir"


def carried_whole(paths: List[str], new: Path) -> List[str]:
    """Return the files in folders that the new image lacks: imgbased removes no folder."""
    return [path for path in paths if not (new / path).parent.is_dir()]


@pytest.mark.parametrize("old", ["old", "old-1"])
def test_the_new_images_plugin_arrives_whole(roots: Roots, tmp_path: Path, old: str) -> None:
    paths = roots.paths("new-2")
    with upgraded(roots[old], roots["new-2"], tmp_path / "work") as root:
        assert states(root, paths) == states(roots["new-2"], paths)
        rest = [path for path in roots.paths("old-1") if path not in paths]
        assert {f"{WANTS}/acme-old.service", "etc/acme/old.conf", "etc/old/only"} <= set(rest)
        assert [path for path in rest if is_file(root, path)] == (
            carried_whole(rest, roots["new-2"]) if old != "old" else [])
        assert (root / WANTS / "acme-new.service").is_symlink()
        assert "\nacme:" in (root / "etc/passwd").read_text()
        assert "\nacme:" in (root / "etc/group").read_text()
        assert registry(root) == registry(roots["new-2"])
        assert store.read_record(root, "acme").version == "2.0"


def test_of_a_plugin_that_the_new_image_lacks_only_whole_folders_stay_until_they_are_reconciled(
        roots: Roots, tmp_path: Path, dnf: Dnf) -> None:
    paths = [path for path in roots.paths("old-1") if is_file(roots["old-1"], path)]
    with upgraded(roots["old-1"], roots["new"], tmp_path / "work") as root:
        assert [path for path in paths if is_file(root, path)
                and not is_file(roots["new"], path)] == carried_whole(paths, roots["new"])
        common = [path for path in paths if is_file(roots["new"], path)]
        assert "etc/libvirt/libvirtd.conf" in common
        assert states(root, common) == states(roots["new"], common)
        assert registry(root) == registry(roots["old-1"]), "which outlived the packages"
        succeeded(dnf.plugin(root, "verify", "--reconcile"))
        assert registry(root) == {}
        assert [path for path in paths if is_file(root, path)
                and not is_file(roots["new"], path)] == []
        assert not (root / "etc/acme").exists()


def test_without_the_copy_the_old_plugins_files_replace_those_of_the_new_one(
        roots: Roots, tmp_path: Path, dnf: Dnf) -> None:
    with upgraded(roots["old-1-unmirrored"], roots["new-2"], tmp_path / "work") as root:
        assert (root / "etc/acme/acme.conf").read_text() == "version=1.0\n"
        assert is_file(root, f"{WANTS}/acme-old.service")
        assert registry(root) == registry(roots["old-1"])
        assert store.read_record(root, "acme").version == "2.0", "that of the image"
        dnf.plugin(root, "verify", "--reconcile")
        assert registry(root) == registry(roots["new-2"])


def edit(path: Path) -> None:
    path.write_text("the administrator's\n")


def edit_and_close(path: Path) -> None:
    path.write_text("the administrator's secret\n")
    path.chmod(0o600)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hosts")


def add_beside(path: Path) -> None:
    (path.parent / f"{path.name}.mine").write_text("new\n")


@pytest.mark.parametrize("change", [edit, edit_and_close, link, add_beside])
def test_what_the_administrator_wrote_survives_file_by_file(
        roots: Roots, tmp_path: Path, change: Callable[[Path], None]) -> None:
    old = support.copy_tree(roots["old-1"], tmp_path / "old")
    paths = [path for path in roots.paths("old-1")
             if (old / path).is_file() and not (old / path).is_symlink()]
    for path in paths:
        change(old / path)
    before = states(roots["old-1"], paths)
    after = states(old, [*paths, *(f"{path}.mine" for path in paths)])
    changed = {path: entry for path, entry in after.items() if entry != before.get(path)}
    assert len(changed) == len(paths)
    with upgraded(old, roots["new-2"], tmp_path / "work") as root:
        assert states(root, list(changed)) == changed


def test_each_unit_that_the_administrator_disabled_stays_disabled(
        roots: Roots, tmp_path: Path) -> None:
    old = support.copy_tree(roots["old-1"], tmp_path / "old")
    links = [path for path in roots.paths("old-1") if path.startswith("etc/systemd/")
             and (old / path).is_symlink()]
    assert f"{WANTS}/acme.service" in links
    for path in links:
        (old / path).unlink()
    with upgraded(old, roots["new-2"], tmp_path / "work") as root:
        assert [path for path in links if is_file(root, path)] == []
        assert is_file(root, f"{WANTS}/acme-new.service"), "which the old image did not have"


def remove(path: Path) -> None:
    path.unlink()


def close(path: Path) -> None:
    path.chmod(0o640)


@pytest.mark.parametrize("change", [remove, close])
def test_imgbased_does_not_carry_a_mode_alone_or_a_removal(
        roots: Roots, tmp_path: Path, change: Callable[[Path], None]) -> None:
    old = support.copy_tree(roots["old-1"], tmp_path / "old")
    paths = ["etc/acme/acme.conf", "etc/acme/same.conf", "etc/udev/rules.d/60-acme.rules"]
    for path in paths:
        change(old / path)
    with upgraded(old, roots["new-2"], tmp_path / "work") as root:
        assert states(root, paths) == states(roots["new-2"], paths)


def test_in_var_the_data_stays_and_the_new_images_files_arrive(roots: Roots,
                                                                tmp_path: Path) -> None:
    old = support.copy_tree(roots["old-1"], tmp_path / "old")
    (old / "var/lib/acme/data").write_text("kept\n")
    (old / "var/lib/acme/settings").write_text("mine\n")
    with upgraded(old, roots["new-2"], tmp_path / "work"):
        acme = tmp_path / "work/var/lib/acme"
        assert {path.relative_to(acme).as_posix(): path.read_text()
                for path in acme.rglob("*") if path.is_file()} == {
            "data": "kept\n", "settings": "mine\n", "settings.imgnew": "2.0\n",
            "shipped": "2.0\n", "shipped.imgbak": "1.0\n", "old/x": "x\n", "new/x": "x\n"}

"""An initramfs, rebuilt by the real dracut in a complete system."""
from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, DescriptorError, Refused
from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import DracutModule, InitramfsDriver, Setting
from ovirt_node_plugin.settings.boot.initramfs_images import KEPT, images, parse
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.system.trees import stat_of
from ovirt_node_plugin.undo.changes import Applied
from tests.support.adhoc import descriptor_xml
from tests.support.applied import apply_all
from tests.support.full_host import full_host_root
from tests.support.settings_root import (
    KERNEL,
    MODULES,
    RecordingRunner,
    context,
    descriptor,
    differences,
    ledger_of,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    write_file,
    write_module,
)

IMAGE = f"boot/initramfs-{KERNEL}.img"
FOO = "/usr/lib/dracut/modules.d/95isv-foo/module-setup.sh"
SETUP = """#!/bin/bash
check() { return 255; }
depends() { return 0; }
install() { inst_simple /usr/share/isv-foo.conf; }
"""
# A small initramfs, which dracut builds quickly.
CONFIGURATION = ('dracutmodules+=" kernel-modules "\ncompress="cat"\n'
                 'add_drivers+=" core other "\n')


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Path]:
    """A system with a kernel of few modules and an initramfs built by dracut."""
    with full_host_root(tmp_path / "system") as root:
        for name in ("core", "other"):
            write_kernel_module(root, name)
        (root / MODULES / "modules.order").write_text("")
        (root / MODULES / "modules.builtin").write_text("kernel/builtin-one.ko\n")
        (root / MODULES / "modules.builtin.modinfo").write_text("")
        run(["depmod", "-b", root, KERNEL])
        (root / "etc/dracut.conf.d").mkdir(exist_ok=True)
        (root / "etc/dracut.conf.d/image.conf").write_text(CONFIGURATION)
        build_initramfs(root)
        yield root


def write_kernel_module(root: Path, name: str, folder: str = "kernel") -> str:
    (root / MODULES / folder).mkdir(parents=True, exist_ok=True)
    return write_module(root, name, folder=folder)


def build_initramfs(root: Path) -> None:
    work = root.parent / "work"
    work.mkdir(exist_ok=True)
    run_in_root(root, work, "dracut", "--force", "--no-hostonly", "--kver", KERNEL, "/tmp/image")
    (root / IMAGE).unlink(missing_ok=True)
    shutil.move(str(work / "image"), str(root / IMAGE))
    os.chmod(root / IMAGE, 0o600)


def run_in_root(root: Path, work: Path, *argv: str) -> str:
    return run(program.argv(root, argv, temporary=work))


def initramfs_drivers(root: Path, tmp_path: Path) -> List[str]:
    return sorted(parse(run_in_root(root, tmp_path, "lsinitrd", f"/{IMAGE}")).drivers)


def changeable_state(root: Path) -> Dict[str, object]:
    """Return the state of the folders that these tests change."""
    entries: Dict[str, object] = {
        f"{part}/{path}": entry for part in ("boot", "etc/dracut.conf.d", "var/tmp", "tmp")
        for path, entry in tree(root / part).items()}
    entries["time"] = (root / IMAGE).stat().st_mtime_ns
    return entries


def plugin_with_module(root: Path, name: str, driver: str) -> Context:
    """Create a kernel module that belongs to the plugin, and return the plugin's context."""
    files = [write_kernel_module(root, driver, "extra")]
    run(["depmod", "-b", root, KERNEL])
    return context(root, name, files=files)


def apply_checked(ctx: Context, applied_by_plugin: Dict[str, Tuple[Applied, ...]],
                  *settings: Setting, ) -> Tuple[Applied, ...]:
    items = selection.wanted(descriptor(*settings), ctx)
    checking.check(items, ctx, others=applied_by_plugin)
    return apply_all(items, ctx, ledger_of(applied_by_plugin))


@pytest.mark.root
def test_a_driver_is_in_the_initramfs_until_its_plugin_is_removed(
        system: Path, tmp_path: Path) -> None:
    before = changeable_state(system)
    ctx = plugin_with_module(system, "foo", "isv_foo")
    setting = InitramfsDriver("isv-foo", load=True)
    items = selection.wanted(descriptor(setting), ctx)
    assert [item.text for item in items] == [
        "have driver isv-foo in the initramfs, and loaded by it",
        f"rebuild the module index of kernel {KERNEL}",
        f"make the initramfs of kernel {KERNEL} again if it lacks driver isv_foo"]
    applied = apply_checked(ctx, {}, setting)
    assert initramfs_drivers(system, tmp_path) == ["core", "isv_foo", "other"]
    assert (system / IMAGE).stat().st_mode & 0o777 == 0o600
    assert set(changeable_state(system)) - set(before) == {
        f"{IMAGE}{KEPT}", "etc/dracut.conf.d/node-plugin-foo=initramfs-driver=isv_foo.conf"}
    assert kinds.verify(applied, ctx) == ()
    assert not any(change.before and change.before.content for setting_applied in applied
                   for change in setting_applied.changes if change.path.startswith("boot"))
    after = changeable_state(system)
    assert apply_all(items, ctx)[-1].changes == ()
    assert changeable_state(system) == after
    revert_settings(system, "foo", {"foo": applied})
    assert changeable_state(system) == before


@pytest.mark.root
@pytest.mark.parametrize("first", ["one", "two"])
def test_a_driver_of_another_plugin_stays_in_the_initramfs(
        system: Path, tmp_path: Path, first: str) -> None:
    before = changeable_state(system)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    for name in ("one", "two"):
        applied_by_plugin[name] = apply_checked(plugin_with_module(system, name, f"m_{name}"),
                                                applied_by_plugin,
                                                InitramfsDriver(f"m_{name}", load=False))
    assert initramfs_drivers(system, tmp_path) == ["core", "m_one", "m_two", "other"]
    last = {"one": "two", "two": "one"}[first]
    (system / MODULES / f"extra/m_{first}.ko").unlink()
    revert_settings(system, first, applied_by_plugin)
    assert initramfs_drivers(system, tmp_path) == ["core", f"m_{last}", "other"]
    assert kinds.verify(applied_by_plugin[last], context(system, last)) == ()
    revert_settings(system, last, applied_by_plugin)
    assert changeable_state(system) == before


@pytest.mark.root
def test_a_dracut_module_of_a_plugin_is_included(system: Path, tmp_path: Path) -> None:
    before = changeable_state(system)
    write_file(system, "usr/share/isv-foo.conf", "x\n")
    write_file(system, FOO, SETUP)
    ctx = context(system, files=[FOO])
    applied = apply_checked(ctx, {}, DracutModule("isv-foo"))
    listing = run_in_root(system, tmp_path, "lsinitrd", f"/{IMAGE}")
    assert "isv-foo" in parse(listing).modules and "usr/share/isv-foo.conf" in listing
    assert kinds.verify(applied, ctx) == ()
    write_file(system, FOO, SETUP.replace("isv-foo.conf", "isv-bar.conf"))
    write_file(system, "usr/share/isv-bar.conf", "x\n")
    upgrade = plan_upgrade(
        applied, selection.wanted(descriptor(DracutModule("isv-foo")), ctx), {}, ctx)
    applied = upgrade_settings(upgrade, ctx)
    assert "usr/share/isv-bar.conf" in run_in_root(system, tmp_path, "lsinitrd", f"/{IMAGE}")
    revert_settings(system, "foo", {"foo": applied})
    assert changeable_state(system) == before


@pytest.mark.root
def test_an_initramfs_that_has_the_drivers_is_not_rebuilt(system: Path) -> None:
    before = stat_of(system / IMAGE)  # without the access time
    ctx = context(system)
    applied = apply_checked(ctx, {}, InitramfsDriver("core", load=False),
                            InitramfsDriver("builtin-one", load=False))
    assert stat_of(system / IMAGE) == before
    assert applied[-1].changes == ()
    assert kinds.verify(applied, ctx) == ()


@pytest.mark.root
def test_an_initramfs_rebuilt_by_others_is_rebuilt_at_removal(system: Path, tmp_path: Path) -> None:
    applied = apply_checked(plugin_with_module(system, "foo", "isv_foo"), {},
                            InitramfsDriver("isv_foo", load=False))
    (system / MODULES / "kernel/other.ko").unlink()
    run(["depmod", "-b", system, KERNEL])
    build_initramfs(system)
    (system / MODULES / "extra/isv_foo.ko").unlink()
    revert_settings(system, "foo", {"foo": applied})
    assert initramfs_drivers(system, tmp_path) == ["core"]
    assert not (system / f"{IMAGE}{KEPT}").exists()


@pytest.mark.root
def test_verify_reports_an_initramfs_without_the_driver(system: Path) -> None:
    before = (system / IMAGE).read_bytes()
    ctx = plugin_with_module(system, "foo", "isv_foo")
    applied = apply_checked(ctx, {}, InitramfsDriver("isv_foo", load=False))
    (system / IMAGE).write_bytes(before)
    assert problem_texts(applied, ctx) == (
        f"driver isv_foo is not in the initramfs of kernel {KERNEL}",)
    (system / IMAGE).unlink()
    assert problem_texts(applied, ctx) == (f"the initramfs of kernel {KERNEL} is missing",)


@pytest.mark.root
def test_a_dracut_that_fails_or_omits_a_driver_is_an_error(system: Path) -> None:
    before = changeable_state(system)
    ctx = plugin_with_module(system, "foo", "isv_foo")
    program = system / "usr/bin/dracut"
    program.unlink()
    for text, error, message in (
            (f"cp /{IMAGE} /tmp/initramfs.img", Refused, "dracut left out driver isv_foo"),
            ("true", Refused, "dracut made no initramfs"),
            ("echo no room >&2; exit 1", CommandError, "no room")):
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        with pytest.raises(error, match=message):
            apply_checked(ctx, {}, InitramfsDriver("isv_foo", load=False))
        if (system / f"{IMAGE}{KEPT}").exists():
            os.replace(system / f"{IMAGE}{KEPT}", system / IMAGE)
    assert (system / IMAGE).stat().st_mtime_ns == before["time"]


@pytest.mark.root
def test_a_program_run_in_the_root_is_isolated_from_this_machine(
        system: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    # of all processes of pytest, and of other programs
    temporary = (f" {tmp_path_factory.getbasetemp().parent}/", f" {tempfile.gettempdir()}/")

    def mounts() -> List[str]:
        """Return the mounts of this machine, without those that others make meanwhile."""
        return [line for line in Path("/proc/self/mounts").read_text().splitlines()
                if f" {tmp_path}/" in line or not any(place in line for place in temporary)]

    before, mounts_before = (tree(system / "dev"), tree(system / "tmp")), mounts()
    output = run_in_root(system, tmp_path, "ls", "/dev", "/tmp", "/proc/self/fd")
    assert "null" in output and "sda" not in output and "system" in output
    assert run_in_root(system, tmp_path, "sh", "-c", "cat < /dev/null; echo $PATH $HOME")
    assert (tree(system / "dev"), tree(system / "tmp")) == before
    assert mounts() == mounts_before
    with pytest.raises(CommandError, match="nothing: .*No such file"):
        run_in_root(system, tmp_path, "nothing")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A minimal root with a file in place of dracut."""
    root_folder = make_root(tmp_path / "root")
    write_file(root_folder, "usr/bin/dracut", "#!/bin/sh\n")
    return root_folder


def test_the_dracut_of_the_root_is_run_in_the_root(root: Path) -> None:
    write_file(root, IMAGE, "old")
    runner = FakeDracut(root)
    ctx = context(root, files=[write_module(root, "isv_foo", folder="extra")], runner=runner)
    run(["depmod", "-b", root, KERNEL])
    items = selection.wanted(descriptor(InitramfsDriver("isv_foo", load=False)), ctx)
    checking.check([item for item in items if item.kind != "module-index"], ctx, others={})
    apply_all([item for item in items if item.kind != "module-index"], ctx)
    start = tuple(map(str, program.argv(root, (), temporary=root)))
    assert {argv[:5] + argv[6:8] for argv in runner.argvs} == {start[:5] + start[6:]}
    assert [argv[8:] for argv in runner.argvs] == [
        ("lsinitrd", f"/{IMAGE}"), ("lsinitrd", f"/{IMAGE}"),
        ("dracut", "--force", "--reproducible", "--no-hostonly", "--kver", KERNEL,
         "/tmp/initramfs.img"),
        ("lsinitrd", f"/{IMAGE}")]
    assert (root / IMAGE).read_text() == "new"
    assert (root / f"{IMAGE}{KEPT}").read_text() == "old"


def test_dracut_is_run_without_no_hostonly_on_the_running_system(root: Path) -> None:
    write_file(root, IMAGE, "old")
    runner = FakeDracut(root)
    write_module(root, "isv_foo", folder="extra")
    run(["depmod", "-b", root, KERNEL])
    ctx = dataclasses.replace(context(root, runner=runner), live=True)
    (item,) = selection.wanted(descriptor(InitramfsDriver("isv_foo", load=False)), ctx)[1:]
    apply_all([item], ctx)
    assert not any("--no-hostonly" in argv for argv in runner.argvs)
    assert (root / IMAGE).read_text() == "new"


def test_in_image_mode_it_is_made_for_any_host_and_finds_the_deployment(root: Path) -> None:
    image = write_file(root, f"{MODULES}/initramfs.img", "old")
    (root / "usr/lib/ostree").mkdir()
    for name in ("95ostree", "95other"):
        (root / "usr/lib/dracut/modules.d" / name).mkdir(parents=True)
    runner = FakeDracut(root, image)
    write_module(root, "isv_foo", folder="extra")
    run(["depmod", "-b", root, KERNEL])
    ctx = context(root, runner=runner)
    (item,) = selection.wanted(descriptor(InitramfsDriver("isv_foo", load=False)), ctx)[1:]
    apply_all([item], ctx)
    (argv,) = (argv for argv in runner.argvs if "dracut" in argv)
    assert argv[argv.index("dracut"):] == (
        "dracut", "--force", "--reproducible", "--no-hostonly", "--add", "ostree", "--kver",
        KERNEL, "/tmp/initramfs.img")
    assert (root / image[1:]).read_text() == "new"


class FakeDracut(RecordingRunner):
    """A runner in place of lsinitrd and dracut."""

    def __init__(self, root: Path, image: str = IMAGE) -> None:
        super().__init__()
        self.image = root / image.lstrip("/")

    def __call__(self, argv: Sequence[object], **_: object) -> str:
        words = tuple(map(str, argv))
        self.argvs.append(words)
        if "dracut" in words:
            (work,) = (word.partition("=")[2] for word in words if word.startswith("--temporary="))
            Path(work, "initramfs.img").write_text("new")
            return ""
        rebuilt = self.image.read_text() == "new"
        return f"-rw 1 0 0 1 usr/lib/modules/{KERNEL}/isv-foo.ko.xz\n" if rebuilt else ""


def test_a_root_without_dracut_is_refused(root: Path) -> None:
    (root / "usr/bin/dracut").unlink()
    for setting in (InitramfsDriver("core", load=False), DracutModule("base")):
        with pytest.raises(Refused, match="the root has no dracut"):
            ctx = context(root)
            checking.check(selection.wanted(descriptor(setting), ctx), ctx, others={})


def test_an_unknown_driver_or_dracut_module_is_refused(root: Path) -> None:
    ctx = context(root)
    for setting, kind in ((InitramfsDriver("nope", load=False), "kernel module"),
                          (DracutModule("nope"), "module of dracut")):
        with pytest.raises(Refused, match=f"have a {kind} of that name"):
            checking.check(selection.wanted(descriptor(setting), ctx), ctx, others={})
    checking.check(selection.wanted(descriptor(InitramfsDriver("core", load=False)), ctx), ctx,
                 others={})


def test_a_root_without_an_initramfs_gets_the_configuration_for_the_next_one(root: Path) -> None:
    before = tree(root)
    ctx = context(root, runner=RecordingRunner())
    (item,) = selection.wanted(descriptor(InitramfsDriver("core", load=False)), ctx)
    assert item.notes == ("no kernel of the root has an initramfs: driver core will be in those"
                          " that are made from now on",)
    (applied,) = apply_all([item], ctx)
    assert (applied.kind, applied.key, applied.value) == ("initramfs-driver", "core", "yes")
    revert_settings(root, "foo", {"foo": (applied,)})
    assert differences(before, tree(root)) == []


def test_the_plan_notes_a_kernel_without_the_module(root: Path) -> None:
    other = "6.1.0-1.el9.x86_64"
    write_file(root, f"usr/lib/modules/{other}/modules.dep", "")
    write_file(root, f"usr/lib/modules/{other}/initramfs.img", "")
    (item, rebuild) = selection.wanted(descriptor(InitramfsDriver("core", load=False)),
                                       context(root))
    assert item.notes == (f"kernel {other} has no module core",)
    assert rebuild.key == other


def test_images_are_found_in_all_known_places(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    assert images(root) == {}
    places = [IMAGE, f"boot/{'0' * 32}/{KERNEL}/initrd", f"{MODULES}/initramfs.img"]
    for place in places:
        write_file(root, place, "")
    write_file(root, "boot/initramfs-1.img", "")
    (root / "usr/lib/modules/-x").mkdir()
    write_file(root, "boot/initramfs--x.img", "")
    (root / f"{MODULES}/initrd").symlink_to(tmp_path / "out")
    assert images(root) == {KERNEL: tuple(places)}


def test_symbolic_links_out_of_the_root_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / f"initramfs-{KERNEL}.img").write_text("x")
    (root / "boot").symlink_to(outside)
    (root / "etc/dracut.conf.d").symlink_to(outside)
    assert images(root) == {}
    ctx = context(root)
    apply_checked(ctx, {}, InitramfsDriver("core", load=False))
    assert [path.name for path in outside.iterdir()] == [f"initramfs-{KERNEL}.img"]


@pytest.mark.parametrize("settings", [
    ['<initramfs-driver name="a-b"/>', '<initramfs-driver name="a_b" load="yes"/>'],
    ['<dracut-module name="a"/>', '<dracut-module name="a"/>'],
    ['<initramfs-driver name="a b"/>'], ['<initramfs-driver name="a.ko"/>'],
    ['<dracut-module name="../x"/>'], ['<dracut-module name="-x"/>'],
    ['<initramfs-driver name="a" load="maybe"/>'], ['<initramfs-driver/>']])
def test_invalid_initramfs_settings_in_a_descriptor_are_refused(settings: List[str]) -> None:
    with pytest.raises(DescriptorError):
        parse_descriptor(descriptor_xml("x", settings=settings).encode(), origin="x")

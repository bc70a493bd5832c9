"""Kernel arguments in image mode: in a file of kargs.d, shared, and removed exactly."""
from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.settings.boot.argument_syntax import GRUB, KERNEL
from ovirt_node_plugin.settings.engine import kinds
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.undo.changes import Applied
from tests.root.settings.boot.test_kernel_arguments import (
    CMDLINE,
    ENTRY,
    ENTRY_TEXT,
    EVERY,
    argument,
    install,
)
from tests.support.settings_root import (
    context,
    differences,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    wanted_settings,
    write_file,
)

KARGS = "usr/lib/bootc/kargs.d"
OWN = f"{KARGS}/50-node-plugins.toml"
Plugins = Dict[str, Tuple[Applied, ...]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in image mode that also has the boot configurations of an ordinary one."""
    root_folder = make_root(tmp_path / "root")
    write_file(root_folder, CMDLINE, "root=/dev/mapper/onn-root ro quiet console=tty0\n")
    write_file(root_folder, ENTRY, ENTRY_TEXT)
    (root_folder / "usr/lib/ostree").mkdir()
    return root_folder


def kargs(root: Path) -> List[str]:
    """Return the arguments in the plugins' file as a reader of TOML gets them."""
    toml: Any = importlib.import_module("tomllib")
    document = toml.loads((root / OWN).read_text())
    assert list(document) == ["kargs"]
    return list(document["kargs"])


@pytest.mark.parametrize("grub", [False, True], ids=["kernel", "grub"])
def test_each_character_of_a_value_is_in_the_file(root: Path, grub: bool) -> None:
    if grub:
        write_file(root, "etc/default/grub", "")
    before = tree(root)
    plugins: Plugins = {}
    arguments = [argument("every", EVERY), argument("nosmt"), argument("dyndbg", "file x +p"), *(
        argument(f"c{ord(character):x}", f"a{character}b") for character in EVERY)]
    install(root, "one", plugins, *arguments)
    syntax = GRUB if grub else KERNEL
    assert kargs(root) == [syntax.write(f"{each.name}={each.value}" if each.value else each.name)
                           for each in arguments]
    assert ('every="' in (root / OWN).read_text().replace('\\"', '"')) == grub
    assert [path for path in differences(before, tree(root)) if not path.startswith(
        "usr/lib/bootc")] == []
    assert kinds.verify(plugins["one"], context(root, "one")) == ()
    assert install_again(root, plugins, *arguments) == []
    revert_settings(root, "one", plugins)
    assert differences(before, tree(root)) == []


def install_again(root: Path, plugins: Plugins, *arguments: Any) -> List[str]:
    before = tree(root)
    install(root, "one", dict(plugins), *arguments)
    return differences(before, tree(root))


@pytest.mark.parametrize(("order", "folder"), zip(
    itertools.permutations(("one", "two", "three")), itertools.cycle((False, True))))
def test_shared_arguments_stay_until_the_last_plugin_is_removed(
        root: Path, order: Tuple[str, ...], folder: bool) -> None:
    if folder:
        write_file(root, f"{KARGS}/10-console.toml", 'kargs = ["console=tty0"]\n')
    has = {"one": [argument("iommu", "pt"), argument("console", "ttyS1", repeat=True)],
           "two": [argument("iommu", "pt"), argument("console", "ttyS0", repeat=True)],
           "three": [argument("nosmt")]}
    before = tree(root)
    plugins: Plugins = {}
    for name, arguments in has.items():
        install(root, name, plugins, *arguments)
    assert kargs(root) == ["iommu=pt", "console=ttyS1", "console=ttyS0", "nosmt"]
    for name in order[:-1]:
        revert_settings(root, name, plugins)
        kept = {f"{each.name}={each.value}" if each.value else each.name
                for other in plugins for each in has[other]}
        assert sorted(kargs(root)) == sorted(kept)
        assert [kinds.verify(plugins[other], context(root, other)) for other in plugins] == [
            ()] * len(plugins)
    revert_settings(root, order[-1], plugins)
    assert differences(before, tree(root)) == []


def test_an_upgrade_removes_what_the_new_version_omits(root: Path) -> None:
    before, ctx = tree(root), context(root)
    plugins: Plugins = {}
    install(root, "foo", plugins, argument("a", "1"), argument("b"))
    install(root, "other", plugins, argument("z"))
    new = wanted_settings(ctx, argument("a", "2"), argument("c"))
    upgrade_settings(plan_upgrade(plugins.pop("foo"), new, plugins, ctx), ctx, plugins)
    assert sorted(kargs(root)) == ["a=2", "c", "z"]
    revert_settings(root, "foo", plugins)
    revert_settings(root, "other", plugins)
    assert differences(before, tree(root)) == []


def test_a_changed_file_is_reported(root: Path) -> None:
    plugins: Plugins = {}
    install(root, "one", plugins, argument("iommu", "pt"))
    write_file(root, OWN, 'kargs = ["iommu=off"]\n')
    problem = f"kernel argument iommu=pt is not as wanted in /{OWN}"
    assert problem_texts(plugins["one"], context(root, "one")) == (problem,)
    (root / OWN).unlink()
    assert problem_texts(plugins["one"], context(root, "one")) == (problem,)


@pytest.mark.parametrize("text", [
    'kargs = ["ro", "quiet", "iommu=on"]', "kargs=['quiet','iommu=on',]\n",
    '# a\nmatch-architectures = ["x86_64"]\n"kargs" = [ # "no"\n  "quiet",\n  # ]\n'
    '  "iommu=\\u006fn",\n]\n'])
def test_the_plan_says_what_the_files_of_the_image_prevent(root: Path, text: str) -> None:
    write_file(root, f"{KARGS}/10-base.toml", text)
    write_file(root, f"{KARGS}/README", 'kargs = ["nosmt"]\n')
    with pytest.raises(Refused, match="wants to remove kernel argument quiet, but"
                       f" /{KARGS}/10-base.toml of the image adds quiet, and no other file"):
        install(root, "one", {}, argument("quiet", present=False))
    (setting, place) = wanted_settings(context(root), argument("iommu", "pt"))
    assert setting.notes == (f"/{KARGS}/10-base.toml of the image also adds iommu=on, which"
                             " stays beside iommu=pt",)
    assert place.text == f"write the kernel arguments to /{OWN}"
    (setting,) = wanted_settings(context(root), argument("nosmt", present=False))
    assert setting.notes == ("kernel argument nosmt is not removed from a host that has it from"
                             " elsewhere than its image",)
    before = tree(root)
    install(root, "one", {}, argument("nosmt", present=False), argument("acpi", "on"))
    assert kargs(root) == ["acpi=on"]
    assert differences(before, tree(root)) == [OWN]
    for name, value in (("acpi", "off"), ("iommu", "on")):  # of plugins, and the image's own
        (setting, _) = wanted_settings(context(root), argument(name, value))
        assert setting.notes == ()


@pytest.mark.parametrize("text", ["kargs = [1]", 'kargs = ["quiet"', "kargs = 'quiet'", "\0",
                                  "kargs = [" + "".join(["#" * 99, "\n"] * 99)])
def test_a_file_that_bootc_refuses_is_not_read(root: Path, text: str) -> None:
    write_file(root, f"{KARGS}/10-base.toml", text)
    install(root, "one", {}, argument("quiet", present=False), argument("a"))
    assert kargs(root) == ["a"]

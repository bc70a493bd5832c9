"""Kernel arguments in boot configurations: added, shared, and removed exactly."""
from __future__ import annotations

import random
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import KernelArgument
from ovirt_node_plugin.settings.boot.argument_syntax import GRUB, KERNEL
from ovirt_node_plugin.settings.boot.argument_text import (
    decode,
    edited,
    problems,
    restored,
    unsound_words,
)
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import plan_revert, rebuild_all
from ovirt_node_plugin.settings.engine.upgrade import apply_upgrade, plan_upgrade, plan_upgrades
from ovirt_node_plugin.system import grub_words
from ovirt_node_plugin.undo.changes import Applied, difference
from tests.support.applied import apply_all
from tests.support.grub import accepted
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    descriptor,
    differences,
    finish,
    ledger_of,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    wanted_settings,
    write_file,
)

CMDLINE = "etc/kernel/cmdline"
ENTRY = "boot/loader/entries/0123-5.14.0.conf"
RESCUE = "boot/loader/entries/0123-0-rescue.conf"
ENTRY_TEXT = """title oVirt Node 4.5.5
version 5.14.0-427.el9.x86_64
linux /vmlinuz-5.14.0
options root=/dev/mapper/onn-root ro quiet crashkernel=1G intel_iommu=off $tuned_params
grub_class kernel
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root_folder = make_root(tmp_path / "root")
    write_file(root_folder, CMDLINE, "root=/dev/mapper/onn-root ro quiet console=tty0\n")
    write_file(root_folder, ENTRY, ENTRY_TEXT)
    write_file(root_folder, RESCUE, "title rescue\noptions\n")
    return root_folder


def argument(name: str, value: str = "", *, present: bool = True,
             repeat: bool = False) -> KernelArgument:
    return KernelArgument(name, value, present, repeat)


def install(root: Path, plugin: str, applied_by_plugin: Dict[str, Tuple[Applied, ...]],
            *arguments: KernelArgument) -> None:
    """Check and apply a plugin's arguments, and add them to ``applied_by_plugin``."""
    ctx = context(root, plugin)
    items = selection.wanted(descriptor(*arguments), ctx)
    checking.check(items, ctx, others=applied_by_plugin)
    applied_by_plugin[plugin] = apply_all(items, ctx, ledger_of(applied_by_plugin))


def options(root: Path, entry: str = ENTRY) -> str:
    return next(line for line in (root / entry).read_text().splitlines()
                if line.startswith("options"))


def test_arguments_are_set_replaced_added_and_removed_in_all_files(root: Path) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("intel_iommu", "on"), argument("nosmt"),
            argument("console", "ttyS1", repeat=True), argument("quiet", present=False))
    assert (root / CMDLINE).read_text() == (
        "root=/dev/mapper/onn-root ro console=tty0 intel_iommu=on nosmt console=ttyS1\n")
    assert options(root) == ("options root=/dev/mapper/onn-root ro crashkernel=1G"
                             " intel_iommu=on $tuned_params nosmt console=ttyS1")
    assert options(root, RESCUE) == "options intel_iommu=on nosmt console=ttyS1"
    assert (root / ENTRY).read_text().startswith("title oVirt Node 4.5.5\nversion ")
    assert kinds.verify(applied_by_plugin["one"], context(root, "one")) == ()
    assert [(setting.key, setting.value,
             setting.before) for setting in applied_by_plugin["one"]] == [
        ("intel_iommu", "intel_iommu=on", "absent"), ("nosmt", "nosmt", "absent"),
        ("console=ttyS1", "+console=ttyS1", "absent"), ("quiet", "-quiet", "absent"),
        ("boot", "intel_iommu=on nosmt +console=ttyS1 -quiet", "present")]
    revert_settings(root, "one", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_the_plan_names_arguments_and_files(root: Path) -> None:
    items = selection.wanted(descriptor(
        argument("intel_iommu", "on"), argument("quiet", present=False),
        argument("console", "ttyS1", repeat=True)), context(root))
    assert [item.text for item in items] == [
        "set kernel argument intel_iommu=on", "remove kernel argument quiet",
        "add kernel argument console=ttyS1",
        f"write the kernel arguments to /{CMDLINE}, /{RESCUE}, /{ENTRY}"]


def test_a_root_without_a_boot_configuration_has_the_arguments_in_the_record(
        tmp_path: Path) -> None:
    root = make_root(tmp_path / "bare")
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("intel_iommu", "on"))
    assert differences(before, tree(root)) == []
    assert [(setting.kind, setting.value) for setting in applied_by_plugin["one"]] == [
        ("kernel-argument", "intel_iommu=on"), ("command-line", "intel_iommu=on")]
    items = selection.wanted(descriptor(argument("a")), context(root))
    assert items[-1].text == (
        "write the kernel arguments to the record only: no boot configuration in the root")
    assert kinds.verify(applied_by_plugin["one"], context(root, "one")) == ()
    revert_settings(root, "one", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_no_program_is_started(root: Path) -> None:
    runner = RecordingRunner()
    ctx = context(root, runner=runner)
    items = selection.wanted(descriptor(argument("a", "b")), ctx)
    checking.check(items, ctx, others={})
    apply_all(items, ctx)
    assert runner.argvs == []


def test_applying_twice_changes_nothing(root: Path) -> None:
    ctx = context(root)
    items = selection.wanted(descriptor(argument("a", "b"), argument("ro"),
                                     argument("quiet", present=False)), ctx)
    apply_all(items, ctx)
    after_first = tree(root)
    assert changed_paths(apply_all(items, ctx)) == []
    assert differences(after_first, tree(root)) == []


@pytest.mark.parametrize("first", ["one", "two"])
def test_an_argument_of_two_plugins_stays_until_the_last_is_removed(root: Path, first: str) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("intel_iommu", "on"), argument("a"))
    install(root, "two", applied_by_plugin, argument("intel_iommu", "on"), argument("b"))
    assert options(root).count("intel_iommu=on") == 1
    last = "two" if first == "one" else "one"
    revert_settings(root, first, applied_by_plugin)
    assert "intel_iommu=on" in options(root)
    assert (" a" in options(root), " b" in options(root)) == (last == "one", last == "two")
    assert kinds.verify(applied_by_plugin[last], context(root, last)) == ()
    revert_settings(root, last, applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_changes_by_an_administrator_are_kept(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("intel_iommu", "on"),
            argument("quiet", present=False))
    text = (root / ENTRY).read_text().replace("oVirt Node", "My Node")
    (root / ENTRY).write_text(text.replace("crashkernel=1G", "crashkernel=2G mitigations=off"))
    revert_settings(root, "one", applied_by_plugin)
    assert (root / ENTRY).read_text() == ENTRY_TEXT.replace("oVirt Node", "My Node").replace(
        "crashkernel=1G", "crashkernel=2G mitigations=off")


def test_a_value_changed_by_an_administrator_is_reported_and_kept(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("intel_iommu", "on"))
    (root / ENTRY).write_text(ENTRY_TEXT.replace("iommu=off", "iommu=sm_on"))
    assert problem_texts(applied_by_plugin["one"], context(root, "one")) == (
        f"kernel argument intel_iommu=on is not as wanted in /{ENTRY}",)
    revert_settings(root, "one", applied_by_plugin)
    assert "intel_iommu=sm_on" in options(root)


def test_arguments_are_removed_from_entries_of_later_kernels(root: Path) -> None:
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("a", "1"))
    install(root, "two", applied_by_plugin, argument("b", "2"))
    new = "boot/loader/entries/0123-6.0.conf"
    write_file(root, new, f"title new\noptions {(root / CMDLINE).read_text()}")
    revert_settings(root, "one", applied_by_plugin)
    assert options(root, new).endswith("console=tty0 b=2")
    revert_settings(root, "two", applied_by_plugin)
    assert options(root, new).endswith("console=tty0")


@pytest.mark.parametrize("has", [argument("quiet"), argument("console", "tty0", repeat=True)],
                         ids=["everywhere", "in one file"])
@pytest.mark.parametrize("upgraded", [False, True], ids=["removed", "upgraded"])
def test_arguments_of_the_image_stay_when_a_plugin_wanted_them_too(
        root: Path, has: KernelArgument, upgraded: bool) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "foo", applied_by_plugin, has, argument("nosmt"))
    if upgraded:
        ctx = context(root)
        old = applied_by_plugin.pop("foo")
        plan = plan_upgrade(old, wanted_settings(ctx, argument("nosmt")), applied_by_plugin, ctx)
        upgrade_settings(plan, ctx, applied_by_plugin)
    revert_settings(root, "foo", applied_by_plugin)
    assert differences(before, tree(root)) == []
    install(root, "foo", applied_by_plugin, has)
    revert_settings(root, "foo", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_an_upgrade_removes_arguments_that_the_new_version_omits(root: Path) -> None:
    before, ctx = tree(root), context(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "other", applied_by_plugin, argument("z"))
    old = apply_all(selection.wanted(descriptor(argument("a", "1"), argument("b")), ctx), ctx)
    new = selection.wanted(descriptor(argument("a", "2"), argument("c")), ctx)
    plan = plan_upgrade(old, new, applied_by_plugin, ctx)
    upgrade_settings(plan, ctx, applied_by_plugin)
    assert options(root).endswith("$tuned_params z a=2 c")
    assert kinds.verify(applied_by_plugin["foo"], ctx) == ()
    revert_settings(root, "other", applied_by_plugin)
    assert options(root).endswith("$tuned_params a=2 c")
    revert_settings(root, "foo", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_an_entry_that_a_scriptlet_changed_in_an_upgrade_keeps_no_argument(root: Path) -> None:
    """The entry that the scriptlet changed has an argument that the new version omits."""
    ctx, ledger = context(root), Ledger()
    apply_all(wanted_settings(ctx, argument("nosmt"), argument("intel_iommu", "on")), ctx, ledger)
    upgrades, revert = plan_upgrades(
        {"foo": wanted_settings(ctx, argument("intel_iommu", "on"))}, [ctx], ledger, root)
    before = tree(root)
    write_file(root, ENTRY, (root / ENTRY).read_text().replace("crashkernel=1G", "crashkernel=2G"))
    ledger.set_effects("foo", difference(before, tree(root)))
    rebuild_all(revert, ledger, ctx)
    apply_upgrade(upgrades["foo"], ctx, ledger)
    gone = ledger.state("foo").settings
    ledger.set_settings("foo", ())
    finish(plan_revert(gone, ledger, root), ledger, ctx)
    assert (root / ENTRY).read_text() == ENTRY_TEXT.replace("crashkernel=1G", "crashkernel=2G")


def test_two_plugins_removed_at_once_leave_no_arguments(root: Path) -> None:
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("a"), argument("quiet", present=False))
    install(root, "two", applied_by_plugin, argument("b"))
    install(root, "three", applied_by_plugin, argument("c"))
    applied_by_plugin["both"] = (*applied_by_plugin.pop("one"), *applied_by_plugin.pop("two"))
    revert_settings(root, "both", applied_by_plugin)
    assert options(root).endswith("quiet crashkernel=1G intel_iommu=off $tuned_params c")
    revert_settings(root, "three", applied_by_plugin)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("first", "second", "clash"), [
    (argument("a", "1"), argument("a", "2"), True),
    (argument("a-b", "1"), argument("a_b", "2"), True),
    (argument("a", "1"), argument("a", "1"), False),
    (argument("a", "1"), argument("b", "1"), False),
    (argument("a", "1"), argument("a"), True),
    (argument("a", "1"), argument("a", present=False), True),
    (argument("a", "1"), argument("a", "1", present=False), True),
    (argument("a", "1"), argument("a", "2", present=False), False),
    (argument("a", "1"), argument("a", "2", repeat=True), True),
    (argument("a", "1", repeat=True), argument("a", "2", repeat=True), False),
    (argument("a", "1", repeat=True), argument("a", present=False), True),
    (argument("a", present=False), argument("a", "1", present=False), False),
])
def test_contradicting_arguments_of_two_plugins_are_refused_and_both_named(
        root: Path, first: KernelArgument, second: KernelArgument, clash: bool) -> None:
    for own, other in ((first, second), (second, first)):
        others = {"acme": checking.planned(selection.wanted(descriptor(other), context(root)))}
        items = selection.wanted(descriptor(own), context(root))
        if not clash:
            checking.check(items, context(root), others=others)
            continue
        with pytest.raises(Refused, match="plugin foo wants .* but plugin acme has"):
            checking.check(items, context(root), others=others)


# Every character that a value can have in a descriptor, and that of the first public report
EVERY = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"$'\\`")
NOCLOUD = argument("ds", "nocloud;s=http://10.0.0.1/")


def grub_root(root: Path) -> Path:
    write_file(root, "etc/default/grub", "")
    return root


def boot_by_grub(options_line: str) -> List[str]:
    """Return the arguments that GRUB gives the kernel for the options of an entry."""
    script = f"linux /vmlinuz {options_line}\n"
    assert accepted(script)
    *read, end = grub_words.tokens(script)
    assert all(token.is_word for token in read) and not end.is_word
    return [grub_words.value(script[token.start:token.end]) or "" for token in read[2:]]


def test_grub_gets_each_character_of_a_value_from_an_entry(root: Path) -> None:
    before = tree(grub_root(root))
    arguments = (NOCLOUD, argument("every", EVERY), argument("plain", "1"),
                 *(argument(f"c{ord(character):x}", f"a{character}b") for character in EVERY),
                 *(argument(f"d{ord(character):x}", character) for character in EVERY))
    wanted_tokens = [f"{each.name}={each.value}" for each in arguments]
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, *arguments)
    assert boot_by_grub(options(root, RESCUE)[len("options "):]) == wanted_tokens
    assert options(root, RESCUE).startswith(
        'options ds="nocloud;s=http://10.0.0.1/" every=')
    assert " plain=1 " in options(root, RESCUE)
    assert boot_by_grub((root / CMDLINE).read_text().strip())[-len(arguments):] == wanted_tokens
    assert kinds.verify(applied_by_plugin["one"], context(root, "one")) == ()
    revert_settings(root, "one", applied_by_plugin)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize("grub", [False, True], ids=["kernel", "grub"])
def test_a_value_with_blanks_is_one_argument_in_all_files_and_removed(
        root: Path, grub: bool) -> None:
    if grub:
        grub_root(root)
    write_file(root, CMDLINE, 'ro dyndbg="file old.c +p" quiet\n')
    before = tree(root)
    plugins: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", plugins, argument("dyndbg", "file a.c +p; file b=c.c -p"),
            argument("acme.opt", "a b", repeat=True), argument("quiet", present=False))
    words = 'dyndbg="file a.c +p; file b=c.c -p" acme.opt="a b"'
    assert (root / CMDLINE).read_text() == f"ro {words}\n"
    assert options(root, RESCUE) == f"options {words}"
    assert plugins["one"][-1].value == f'{words.replace("acme", "+acme")} -quiet'
    assert kinds.verify(plugins["one"], context(root, "one")) == ()
    with pytest.raises(Refused, match=r'dyndbg="x y" but plugin one|dyndbg="x y", but plugin one'):
        install(root, "two", plugins, argument("dyndbg", "x y"))
    install(root, "two", plugins, argument("acme.opt", "a b", repeat=True))
    revert_settings(root, "one", plugins)
    assert options(root, RESCUE) == 'options acme.opt="a b"'
    write_file(root, RESCUE, "title rescue\noptions acme.opt=a b\n")
    assert problem_texts(plugins["two"], context(root, "two")) == (
        f'kernel argument acme.opt="a b" is not as wanted in /{RESCUE}',)
    write_file(root, RESCUE, 'title rescue\noptions acme.opt="a b"\n')
    revert_settings(root, "two", plugins)
    assert differences(before, tree(root)) == []


def test_without_grub_the_kernel_gets_an_entry_as_it_is(root: Path) -> None:
    install(root, "one", {}, NOCLOUD, argument("every", EVERY))
    assert options(root, RESCUE) == f"options ds=nocloud;s=http://10.0.0.1/ every={EVERY}"


@pytest.mark.parametrize("form", [
    "'ds=nocloud;s=http://10.0.0.1/'", r"ds=nocloud\;s=http://10.0.0.1/",
    'ds="nocloud;s=http://10.0.0.1/"', '"ds=nocloud;s=http://10.0.0.1/"'])
def test_an_argument_is_found_with_other_quotes(root: Path, form: str) -> None:
    text = ENTRY_TEXT.replace("quiet", f"{form} quiet")
    write_file(grub_root(root), ENTRY, text)
    install(root, "one", {}, NOCLOUD)
    assert (root / ENTRY).read_text() == text
    install(root, "two", {}, argument("ds", "none"))
    assert (root / ENTRY).read_text() == ENTRY_TEXT.replace("quiet", "ds=none quiet")


def test_an_argument_without_the_quotes_that_grub_needs_is_reported_and_replaced(
        root: Path) -> None:
    before = tree(grub_root(root))
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, NOCLOUD)
    text = (root / ENTRY).read_text()
    (root / ENTRY).write_text(text.replace('"', ""))
    assert problem_texts(applied_by_plugin["one"], context(root, "one")) == (
        f"kernel argument ds=nocloud;s=http://10.0.0.1/ is not as wanted in /{ENTRY}",)
    install(root, "two", {}, NOCLOUD)
    assert (root / ENTRY).read_text() == text
    (root / ENTRY).write_text(text.replace('"', ""))
    revert_settings(root, "one", applied_by_plugin)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("line", "reason"), [
    ("options quiet # serial console=ttyS0", "the boot loader does not pass on # and"),
    ("options quiet a=1;b ro", "does not pass on a=1;b and"),
    ("options quiet a={1} ro", "does not pass on a={1} and"),
    ("options quiet a='1 ro", "does not pass on a='1 ro and"),
    ('options quiet a="1 ro', 'does not pass on a="1 ro and'),
    (f"options a={'x' * 1900}", "would have kernel arguments of 1932 characters")])
def test_an_entry_that_cannot_have_an_argument_is_refused_with_its_line(
        root: Path, line: str, reason: str) -> None:
    write_file(grub_root(root), ENTRY, f"title x\nlinux /vmlinuz\n{line}\n")
    before, ctx = tree(root), context(root)
    items = selection.wanted(descriptor(NOCLOUD), ctx)
    with pytest.raises(Refused) as caught:
        checking.check(items, ctx, others={})
    assert f"/{ENTRY}" in str(caught.value) and reason in str(caught.value)
    assert (f"/{ENTRY}, line 3: " in str(caught.value)) == ("pass on" in reason)
    assert differences(before, tree(root)) == []


def test_grub_gets_arguments_in_the_options_that_it_reads(root: Path) -> None:
    """blscfg reads the first line of options, and a variable of GRUB if there is none."""
    none = "title without\nlinux /vmlinuz\n"
    several = "title two\n  options a\noptions b\n"
    write_file(grub_root(root), ENTRY, none)
    write_file(root, RESCUE, several)
    before = tree(root)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("b"), argument("c"))
    install(root, "two", applied_by_plugin, argument("d"))
    assert (root / ENTRY).read_text() == f"{none}options $default_kernelopts b c d\n"
    assert (root / RESCUE).read_text() == several.replace("options a", "options a b c d")
    assert kinds.verify(applied_by_plugin["one"], context(root, "one")) == ()
    revert_settings(root, "one", applied_by_plugin)
    assert (root / ENTRY).read_text() == f"{none}options $default_kernelopts d\n"
    revert_settings(root, "two", applied_by_plugin)
    assert differences(before, tree(root)) == []


def test_without_grub_only_open_quotes_are_refused(root: Path) -> None:
    ctx = context(root)
    items = selection.wanted(descriptor(NOCLOUD), ctx)
    write_file(root, ENTRY, "title x\noptions quiet # a=1;b c={1} d='1\n")
    checking.check(items, ctx, others={})
    write_file(root, ENTRY, 'title x\noptions quiet a="1 2\n')
    with pytest.raises(Refused, match="line 2: the boot loader does not pass on a=\"1 2 and"):
        checking.check(items, ctx, others={})


def test_symbolic_links_are_not_written_to(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("options a\n")
    (root / "boot/loader/entries/evil.conf").symlink_to(outside)
    (root / CMDLINE).unlink()
    (root / CMDLINE).symlink_to(outside)
    applied_by_plugin: Dict[str, Tuple[Applied, ...]] = {}
    install(root, "one", applied_by_plugin, argument("b"))
    assert outside.read_text() == "options a\n"


@pytest.mark.parametrize(("text", "code", "after"), [
    ("a b", "c", "a b c"), ("a b\n", "c", "a b c\n"), ("", "c", "c"), ("\n", "c", "c\n"),
    ("a  b", "b", "a  b"), ("a b=1 c b=2", "b=3", "a b=3 c"), ("a-x=1", "a_x=1", "a_x=1"),
    ('a="x b=1" c', "b=2", 'a="x b=1" c b=2'), ("a b", "-b", "a"), ("b a", "-b", "a"),
    ("a b=1 b=2", "-b=1", "a b=2"), ("a=1", "+a=2", "a=1 a=2"), ("a=1 a=2", "+a=2", "a=1 a=2"),
    ("b", "-b", ""), ("ab abc=1", "-a", "ab abc=1"),
])
def test_one_argument_is_added_to_a_line_and_removed(text: str, code: str, after: str) -> None:
    assert edited(text, [decode(code)], entry=False) == after
    assert edited(after, [decode(code)], entry=False) == after
    assert restored(after, text, [decode(code)], [], entry=False) == text


@pytest.mark.parametrize("text", ["title x\n", "title x", "", "options\n", "options a\noptions b\n",
                                  "options\ta  b \n", "title options\n  options a\n"])
def test_entries_of_any_form_are_restored(text: str) -> None:
    codes = [decode(code) for code in ("x=1", "-a", "+b=2")]
    after = edited(text, codes, entry=True)
    assert "x=1" in after and edited(after, codes, entry=True) == after
    result = restored(after, text, codes, [], entry=True)
    assert result in (text, text + "\n")


@pytest.mark.parametrize("seed", range(40))
def test_arguments_of_many_plugins_are_undone_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    syntax = (KERNEL, GRUB)[seed % 2]
    base = " ".join(rng.choice(["a", "a=1", "b=1", '"b=2"', "c", 'd="x;y z"', "e_f=1"])
                    for _ in range(rng.randrange(8)))
    # at most one argument for each name, as the check for conflicts ensures
    choices = {"a": ["a=2", "-a", "+a={3}"], "b": ["b=1", "b=3;4", "-b=2"], "c": ["c", "-c"],
               "e-f": ["e-f=2&3"], "g": ["g", "+g=1|#<>"],
               "d": ["d=x;y z", "+d=u v=w", "-d=x;y z", "d=file a +p"]}
    pool = [rng.choice(codes) for codes in choices.values()]
    text = base
    active: List[str] = []
    for _ in range(20):
        code = rng.choice(pool)
        if code in active:
            active.remove(code)
            text = restored(text, base, [decode(code)], [decode(other) for other in active],
                            entry=False, syntax=syntax)
        else:
            active.append(code)
            text = edited(text, [decode(code)], entry=False, syntax=syntax)
        arguments = [decode(other) for other in active]
        assert edited(text, arguments, entry=False, syntax=syntax) == text
        assert not unsound_words(text, entry=False, syntax=syntax)
        assert not [problem for argument in arguments
                    for problem in problems(text, argument, entry=False, syntax=syntax)]
    text = restored(text, base, [decode(other) for other in active], [], entry=False,
                    syntax=syntax)
    assert text == base

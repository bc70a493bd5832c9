"""Which kernels of a root load a module, and why the others do not."""
from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import KernelModule
from ovirt_node_plugin.settings.kit.model import Context, ModuleFit
from ovirt_node_plugin.settings.modules import module_index
from ovirt_node_plugin.settings.modules.kernel_modules import KIND
from ovirt_node_plugin.settings.modules.module_file import BadModule, read_module, read_modules
from ovirt_node_plugin.settings.modules.module_fits import module_fits
from ovirt_node_plugin.settings.modules.weak_links import make_links
from ovirt_node_plugin.system.run import Runner, run
from tests.support.kmod import module_bytes
from tests.support.settings_root import KERNEL, MODULES, context, make_root
from tests.support.versioned_module import versioned_module

OLD = "5.14.0-1.el9.x86_64"
PATH = f"/lib/modules/{OLD}/extra/acme/acme.ko"
OWN = f"/lib/modules/{KERNEL}/extra/acme.ko"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one kernel, which exports printk with a checksum and kfree without one."""
    root = make_root(tmp_path / "root")
    (root / MODULES / "symvers.gz").write_bytes(gzip.compress(
        b"0x00001234\tprintk\tvmlinux\tEXPORT_SYMBOL\n0x00000000\tkfree\tvmlinux\tEXPORT_SYMBOL\n"))
    return root


def fits(contents: Dict[str, bytes], root: Path, leaving: Sequence[str] = ()) -> Dict[
        str, ModuleFit]:
    return module_fits(read_modules(contents.items()), root, leaving=leaving)


def fit(root: Path, path: str, data: bytes, *others: str) -> ModuleFit:
    return fits({path: data, **dict.fromkeys(others, data)}, root)[path]


@pytest.mark.parametrize("needs", [{}, {"printk": 0x1234}, {"kfree": 5},
                                   {"printk": 0x1234, "kfree": 0}])
def test_a_module_whose_symbols_fit_is_linked(root: Path, needs: Dict[str, int]) -> None:
    data = versioned_module("acme", kernel=OLD, needs=needs)
    assert fit(root, PATH, data) == ModuleFit(links=(KERNEL,))
    assert fit(root, OWN, data) == ModuleFit(kernels=(KERNEL,))


@pytest.mark.parametrize(("needs", "reason"), [
    ({"printk": 0x1235}, "it needs another version of the symbol printk"),
    ({"gone": 0x1234}, "it needs the unknown symbol gone"),
    ({"printk": 0x1234, "gone": 1}, "it needs the unknown symbol gone")])
def test_a_module_whose_symbols_do_not_fit_is_loaded_by_no_kernel(
        root: Path, needs: Dict[str, int], reason: str) -> None:
    data = versioned_module("acme", kernel=OLD, needs=needs)
    for path in (PATH, OWN):
        assert fit(root, path, data) == ModuleFit(reasons={KERNEL: reason})


def test_verdicts_are_those_of_depmod(root: Path, tmp_path: Path) -> None:
    symvers = tmp_path / "symvers"
    symvers.write_bytes(gzip.decompress((root / MODULES / "symvers.gz").read_bytes()))
    tree = tmp_path / "lib/modules" / KERNEL
    tree.mkdir(parents=True)
    for number in range(16):
        needs = {symbol: checksum for bit, (symbol, checksum) in enumerate((
            ("printk", 0x1234), ("printk2", 1), ("offered", 7), ("kfree", 0)))
            if number & 1 << bit}
        data = versioned_module("acme", kernel=OLD, needs=needs)
        offering = versioned_module("offering", kernel=OLD, needs={}, exports=["offered"])
        (tree / "acme.ko").write_bytes(data)
        (tree / "offering.ko").write_bytes(offering)
        wrong = run(["sh", "-c", 'exec depmod "$@" 2>&1', "sh", "-b", tmp_path, "-n", "-e", "-E",
                     symvers, KERNEL])
        verdict = fits({PATH: data, PATH.replace("acme.ko", "offering.ko"): offering}, root)[PATH]
        assert verdict.loads == (not re.search("needs unknown|disagrees about version of symbol "
                                                  "(?!offered)", wrong)), (needs, wrong)


@pytest.mark.parametrize("symbols", ["symvers.xz", "Module.symvers", "System.map", "none"])
def test_lists_of_symbols_are_read_in_every_form(root: Path, symbols: str) -> None:
    text = gzip.decompress((root / MODULES / "symvers.gz").read_bytes())
    os.unlink(root / MODULES / "symvers.gz")
    content = {"symvers.xz": lzma.compress(text), "Module.symvers": text,
               "System.map": b"ffffffff81000000 T _text\n0000 r __ksymtab_printk\n"}.get(symbols)
    if content is not None:
        (root / MODULES / symbols).write_bytes(content)
    fitting = versioned_module("acme", kernel=OLD, needs={"printk": 0x1234})
    missing = versioned_module("acme", kernel=OLD, needs={"gone": 1})
    assert fit(root, PATH, fitting).loads == (content is not None)
    assert fit(root, OWN, fitting).loads
    assert fit(root, OWN, missing).loads == (content is None)


def test_a_module_of_the_kernels_own_tree_must_be_built_for_it(root: Path) -> None:
    wrong = fit(root, OWN, module_bytes("acme", kernel=OLD))
    assert wrong == ModuleFit(reasons={KERNEL: f"it was built for {OLD}"})
    assert fit(root, OWN, module_bytes("acme", kernel=KERNEL)).kernels == (KERNEL,)


def test_a_module_is_linked_only_where_nothing_else_is(root: Path) -> None:
    data = versioned_module("acme", kernel=OLD, needs={})
    assert fit(root, PATH, data, OWN).reasons == {KERNEL: f"it loads {OWN}"}
    place = root / MODULES / "weak-updates/acme/acme.ko"
    place.parent.mkdir(parents=True)
    place.symlink_to("/lib/modules/gone/extra/acme.ko")
    assert fit(root, PATH, data).links == (KERNEL,)
    other = root / "usr/lib/modules/5.14.0-0.el9/extra/acme/acme.ko"
    other.parent.mkdir(parents=True)
    other.touch()
    place.unlink()
    place.symlink_to("/lib/modules/5.14.0-0.el9/extra/acme/acme.ko")
    assert "is there already" in fit(root, PATH, data).reasons[KERNEL]
    assert fits({PATH: data}, root, leaving=[
        "/lib/modules/5.14.0-0.el9/extra/acme/acme.ko"])[PATH].links == (KERNEL,)
    (root / MODULES / "extra").mkdir()
    (root / MODULES / "extra/acme.ko.xz").touch()
    assert fit(root, PATH, data).reasons == {KERNEL: "it has a module acme in extra already"}


def test_links_of_a_root_are_followed_inside_it(root: Path, tmp_path: Path) -> None:
    data = versioned_module("acme", kernel=OLD, needs={})
    outside = tmp_path / "outside/acme"
    outside.mkdir(parents=True)
    for name in ("acme.ko", "other.ko"):
        (outside / name).touch()
    for folder in ("extra", "updates", "weak-updates"):
        (root / MODULES / folder).symlink_to(outside.parent)
    assert fit(root, PATH, data).links == (KERNEL,)
    inside = root / str(outside.parent).lstrip("/")
    inside.mkdir(parents=True)
    (inside / "acme.ko").touch()
    assert fit(root, PATH, data).reasons == {KERNEL: "it has a module acme in updates already"}


def test_a_module_that_leaves_makes_place_for_a_link(root: Path) -> None:
    data = versioned_module("acme", kernel=OLD, needs={})
    (root / MODULES / "extra").mkdir()
    (root / OWN.lstrip("/")).touch()
    assert not fits({PATH: data}, root)[PATH].loads
    assert fits({PATH: data}, root, leaving=[OWN])[PATH].links == (KERNEL,)


def test_the_work_grows_with_the_number_of_modules(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: List[str] = []

    def counted(path: str) -> str:
        looked_at.append(path)
        return module_index.module_name(path)

    monkeypatch.setattr("ovirt_node_plugin.settings.modules.module_fits.module_name", counted)
    (root / MODULES / "extra").mkdir()
    works = []
    for number in (20, 40):
        for name in range(number):
            (root / MODULES / f"extra/own{name}.ko").touch()
        looked_at.clear()
        fits({f"/lib/modules/{OLD}/extra/a{name}.ko":
              versioned_module("a", kernel=OLD, needs={}) for name in range(number)}, root)
        works.append(len(looked_at))
    assert 0 < works[1] <= 2 * works[0], works


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\2\1" + bytes(58),
                                  b"\x7fELF\2\1" + b"\xff" * 600])
def test_what_is_no_module_is_loaded_by_no_kernel(root: Path, data: bytes) -> None:
    assert "it is no kernel module" in fit(root, OWN, data).reasons[KERNEL]


def test_damaged_modules_are_refused_without_any_other_error() -> None:
    whole = versioned_module("acme", kernel=OLD, needs={"printk": 0x1234}, exports=["a"])
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        for data in (bytes(damaged), whole[:place]):
            try:
                read_module("acme.ko", data)
            except BadModule:
                refused += 1
    assert refused >= len(whole)  # at least those that are cut off


@pytest.mark.parametrize("pack", ["ko", "ko.xz", "ko.gz"])
def test_modules_are_read_in_every_compression(pack: str) -> None:
    data = versioned_module("acme", kernel=OLD, needs={"printk": 1})
    packed = {"ko": data, "ko.xz": lzma.compress(data, check=lzma.CHECK_CRC32),
              "ko.gz": gzip.compress(data)}[pack]
    module = read_module(f"acme.{pack}", packed)
    assert module is not None and module.needs == {"printk": 1}
    assert module.vermagic.split()[0] == OLD


def with_modules(root: Path, contents: Dict[str, bytes], runner: Runner = run) -> Context:
    """Return the context of a plugin whose modules ``contents`` are installed."""
    for path, data in contents.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return replace(context(root, files=list(contents), runner=runner),
                   modules=fits(contents, root))


def test_a_module_that_no_kernel_loads_is_told_and_refused_if_it_is_to_be_loaded(
        root: Path) -> None:
    ctx = with_modules(root, {PATH: versioned_module("acme", kernel=OLD, needs={"gone": 1})})
    (index,) = module_index.KIND.implied((), ctx)
    reason = f"kernel {KERNEL}: it needs the unknown symbol gone"
    assert index.key == OLD
    assert index.notes == (f"no kernel of the root would load {PATH}: {reason}",)
    load, options = KIND.wanted(KernelModule("acme", load=True, options="a=1", blacklist=False),
                                ctx)
    KIND.check(options, ctx, installed=False)
    with pytest.raises(Refused, match=re.escape(f"would load {PATH}: {reason}")):
        KIND.check(load, ctx, installed=False)
    (root / MODULES / "modules.order").write_text("kernel/acme.ko\n")  # the kernel has its own
    KIND.check(load, ctx, installed=False)


def test_links_are_made_and_indexed_below_each_kernel_that_loads_the_module(root: Path) -> None:
    second, third = (root / "usr/lib/modules" / name for name in ("5.14.0-500", "5.14.0-600"))
    for tree in (second, third):
        shutil.copytree(root / MODULES, tree)
    (third / "symvers.gz").write_bytes(gzip.compress(b"0x9\tprintk\tvmlinux\tEXPORT_SYMBOL\n"))
    ctx = with_modules(root, {PATH: versioned_module("acme", kernel=OLD, needs={"printk": 0x1234})})
    items = module_index.KIND.implied((), ctx)
    assert [(item.key, "link acme into" in item.text) for item in items] == [
        (OLD, False), (KERNEL, True), (second.name, True)]
    changes = make_links(ctx)
    links = sorted((root / "usr/lib/modules").glob("*/weak-updates/acme/*.ko"))
    assert [os.readlink(path) for path in links] == [PATH, PATH]
    assert sorted(change.path for change in changes) == sorted(
        f"usr/lib/modules/{version}/weak-updates{name}" for version in (KERNEL, second.name)
        for name in ("", "/acme", "/acme/acme.ko"))
    for item in items:
        module_index.KIND.apply(item, ctx)
        names = module_index.module_names(item.key, root)
        assert ("acme" in names) and (item.key == OLD or "core" in names)
    index = (root / MODULES / "modules.dep").read_text()
    assert "weak-updates/acme/acme.ko:" in index and "kernel/core.ko:" in index
    assert make_links(ctx) == ()


def test_the_roots_weak_modules_gets_the_modules_on_its_standard_input(root: Path) -> None:
    (root / "usr/sbin").mkdir()
    (root / "usr/sbin/weak-modules").touch()
    calls: List[Tuple[Sequence[object], bytes]] = []

    def runner(argv: Sequence[object], *, stdin: bytes = b"", **_: object) -> str:
        calls.append((argv, stdin))
        return ""
    ctx = with_modules(root, {PATH: b"no module", OWN: b"", "/usr/share/x": b""}, runner)
    assert make_links(ctx) == ()
    ((argv, stdin),) = calls
    assert list(argv)[-3:] == ["/usr/sbin/weak-modules", "--add-modules", "--no-initramfs"]
    assert stdin == f"{PATH}\n{OWN}\n".encode()
    assert make_links(with_modules(root, {OWN: b""}, runner)) == () and len(calls) == 1

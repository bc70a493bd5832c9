"""Scriptlets that change the module trees of a root, as weak-modules(8) of EL does."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import List, Sequence

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.kmod import module_bytes
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

TREES = "usr/lib/modules"
BUILT_FOR = "5.14.0-162.6.1.el9_1.x86_64"
SECOND = "5.14.0-300.el9.x86_64"
# What packages of kernel modules do in EL: a link below each kernel, and depmod, which the
# small root does not have.
LINK = """\
cd /lib/modules
for order in */modules.order; do
    kernel=${{order%/*}}
    mkdir -p $kernel/weak-updates/{name}
    ln -sf /lib/modules/{built_for}/extra/{name}/{name}.ko $kernel/weak-updates/{name}/{name}.ko
    echo "weak-updates/{name}/{name}.ko:" >> $kernel/modules.dep
    echo scriptlet > $kernel/modules.weakdep
done
"""
# What a scriptlet may do besides, in the tree of the second kernel.
MORE = """\
cd /lib/modules/SECOND
mkdir updates && echo made > updates/made.ko && echo made > kernel/made.ko
rm kernel/drivers/net/tun.ko.xz modules.symbols && echo changed > kernel/drivers/md/dm-mod.ko.xz
chmod 0700 kernel/drivers/md && echo changed >> modules.builtin && mv modules.order modules.moved
"""
UNLINK = """\
[ "$1" = 0 ] || exit 0
cd /lib/modules
rm -f */weak-updates/{name}/{name}.ko
for dep in */modules.dep; do echo "# {name} left" >> $dep; done
"""


@pytest.fixture
def root(node: Path) -> Path:
    """A Node with two kernels."""
    (kernel,) = (node / TREES).iterdir()
    shutil.copytree(kernel, node / TREES / SECOND)
    return node


def kmod(folder: Path, name: str, version: str = "1.0", *, link: str = LINK,
         **scriptlets: str) -> Path:
    """Return a plugin with a module for another kernel, and a scriptlet that links it."""
    words = {"name": name, "built_for": BUILT_FOR}
    return make_plugin(
        folder, name, version, requires="busybox", arch="x86_64",
        files={f"/lib/modules/{BUILT_FOR}/extra/{name}/{name}.ko": module_bytes(
            name, kernel=BUILT_FOR, fields=[f"version={version}"])},
        scriptlets={section: text.format(**words)
                    for section, text in {"post": link, **scriptlets}.items()})


def links(root: Path) -> List[str]:
    """Return the links below the kernels of ``root``, by kernel and name."""
    return sorted(f"{path.parts[-4]} {path.name}"
                  for path in (root / TREES).glob("*/weak-updates/*/*.ko"))


def linked(root: Path, *names: str) -> List[str]:
    """Return what ``links`` returns if ``names`` are linked below each kernel."""
    versions = [path.parent.name for path in (root / TREES).glob("*/modules.order")]
    return sorted(f"{version} {name}.ko" for version in versions for name in names)


def test_a_failed_install_leaves_no_link_and_no_changed_index(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    before = tree_state(root)
    remove_and_fail = "rm -r /lib/modules/*/kernel; exit 1"
    for failing in (kmod(tmp_path, "acme", link=LINK + remove_and_fail),
                    make_plugin(tmp_path, "plain", requires="busybox", files={"/opt/plain/x": ""},
                                scriptlets={"post": remove_and_fail})):
        assert dnf.plugin(root, "install", "-y", UNSIGNED, failing).status == 8
        assert state_differences(before, tree_state(root)) == []


def test_links_of_scriptlets_are_shown_verified_kept_in_an_upgrade_and_removed(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    before, linked_everywhere = tree_state(root), linked(root, "acme")
    first = kmod(tmp_path, "acme", link=LINK + MORE.replace("SECOND", SECOND), preun=UNLINK)
    second = kmod(tmp_path, "acme", "2.0", preun=UNLINK, postun=UNLINK)
    succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, first))
    assert links(root) == linked_everywhere
    succeeded(dnf.plugin(root, "verify"))
    (plugin,) = succeeded(dnf.plugin(root, "manifest", "acme", "--json")).json["plugins"]
    shown = {file["path"]: file["by"] for file in plugin["others"]
             if "weak-updates" in file["path"]}
    link = f"/{TREES}/{SECOND}/weak-updates/acme/acme.ko"
    assert shown[link] == f"module-index {SECOND}" and len(shown) == 6
    os.unlink(f"{root}{link}")
    answer = dnf.plugin(root, "verify")
    assert answer.status == 9 and f"{link} is missing" in answer.text
    succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, second))
    assert links(root) == linked_everywhere
    succeeded(dnf.plugin(root, "verify"))
    succeeded(dnf.plugin(root, "remove", "-y", "acme"))
    assert state_differences(before, tree_state(root)) == []


@pytest.mark.parametrize("first", ["acme", "other"])
def test_links_of_two_plugins_go_one_by_one(
        dnf: Dnf, root: Path, tmp_path: Path, first: str) -> None:
    before = tree_state(root)
    for name, scriptlets in (("acme", {"preun": UNLINK}), ("other", {})):
        succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, kmod(tmp_path, name, **scriptlets)))
    assert links(root) == linked(root, "acme", "other")
    succeeded(dnf.plugin(root, "remove", "-y", first))
    second = "other" if first == "acme" else "acme"
    assert links(root) == linked(root, second)
    succeeded(dnf.plugin(root, "verify"))
    assert first not in (root / TREES / SECOND / "modules.dep").read_text()
    succeeded(dnf.plugin(root, "remove", "-y", second))
    assert state_differences(before, tree_state(root)) == []


WEAK_MODULES = """\
#!/bin/sh
# A stand-in: links each module of standard input below each other kernel.
[ "$*" = "--add-modules --no-initramfs" ] || exit 1
while read module; do
    for order in /lib/modules/*/modules.order; do
        kernel=${order%/*} name=${module##*/}
        mkdir -p $kernel/weak-updates && ln -sf $module $kernel/weak-updates/$name
        echo "weak-updates/$name: linked" >> $kernel/modules.dep
    done
done
"""
LOAD = '<kernel-module name="acme" load="yes"/>'


def bring(folder: Path, version: str, *, needs: Sequence[str], load: bool = True) -> Path:
    """Return a plugin with a module for another kernel, and no scriptlets."""
    return make_plugin(
        folder, "acme", version, arch="x86_64", settings=[LOAD] if load else [],
        files={f"/lib/modules/{BUILT_FOR}/extra/acme/acme.ko": module_bytes(
            "acme", kernel=BUILT_FOR, needs=needs)})


def test_a_module_is_linked_where_its_symbols_fit_and_refused_where_no_kernel_loads_it(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    (first,) = {path.name for path in (root / TREES).iterdir()} - {SECOND}
    (root / TREES / SECOND / "modules.symbols").write_text("# none\n")
    before = tree_state(root)
    refused = dnf.plugin(root, "install", "-y", UNSIGNED, bring(tmp_path, "0.1", needs=["gone"]))
    assert refused.status == 6
    assert f"no kernel of the root would load /lib/modules/{BUILT_FOR}/extra/acme/acme.ko:" in (
        refused.text)
    for version in (first, SECOND):
        assert f"kernel {version}: it needs the unknown symbol gone" in refused.text
    told = succeeded(dnf.plugin(root, "install", "--dry-run", "--json", UNSIGNED, bring(
        tmp_path, "0.2", needs=["gone"], load=False)))
    assert "no kernel of the root would load" in told.json["plugins"][0]["notes"][0]
    bundle = bring(tmp_path, "1.0", needs=["scsi_register_driver"])
    answer = succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, bundle))
    assert f"link acme into weak-updates of kernel {first}, and rebuild its" in answer.text
    assert links(root) == [f"{first} acme.ko"]
    index = (root / TREES / first / "modules.dep").read_text()
    assert "weak-updates/acme/acme.ko: kernel/" in index
    succeeded(dnf.plugin(root, "verify"))
    succeeded(dnf.plugin(root, "remove", "-y", "acme"))
    assert state_differences(before, tree_state(root)) == []


def test_the_roots_weak_modules_is_run_and_what_it_did_is_undone(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    program = root / "usr/sbin/weak-modules"
    program.write_text(WEAK_MODULES)
    program.chmod(0o755)
    before = tree_state(root)
    bundle = bring(tmp_path, "1.0", needs=["scsi_register_driver"])
    succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, bundle))
    assert sorted(path.parts[-3] for path in (root / TREES).glob("*/weak-updates/*.ko")) == sorted(
        path.parent.name for path in (root / TREES).glob("*/modules.order"))
    assert "weak-updates/acme.ko:" in (root / TREES / SECOND / "modules.dep").read_text()
    succeeded(dnf.plugin(root, "verify"))
    (root / TREES / SECOND / "weak-updates/acme.ko").unlink()
    assert dnf.plugin(root, "verify").status == 9
    succeeded(dnf.plugin(root, "repair", "-y", UNSIGNED))
    succeeded(dnf.plugin(root, "verify"))
    (root / TREES / SECOND / "weak-updates/acme.ko").unlink()
    succeeded(dnf.plugin(root, "remove", "-y", "acme"))
    assert state_differences(before, tree_state(root)) == []
    program.write_text("#!/bin/sh\necho no kernel >&2; exit 3\n")
    failed = dnf.plugin(root, "install", "-y", UNSIGNED, bundle)
    assert failed.status == 8 and "no kernel" in failed.text

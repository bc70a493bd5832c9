"""The initramfs of a complete system, with the real dnf and dracut."""
from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from ovirt_node_plugin.settings.boot.initramfs_images import KEPT
from ovirt_node_plugin.system.run import run
from tests.root.settings.boot.test_initramfs import (
    CONFIGURATION,
    IMAGE,
    build_initramfs,
    initramfs_drivers,
)
from tests.support import Fixtures
from tests.support.adhoc import RpmRepo, descriptor_xml, quick_rpm, write_bundle
from tests.support.dnf_runner import Dnf, environment
from tests.support.full_host import full_host_root
from tests.support.kmod import module_bytes
from tests.support.settings_root import KERNEL, MODULES, tree

pytestmark = pytest.mark.root

LOG = "var/log/dracut-runs"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Path]:
    """A system with a kernel and an initramfs, whose dracut logs each of its runs."""
    with full_host_root(tmp_path / "system") as root:
        core = quick_rpm("core", "1.0", files={"/usr/share/core": "core"})
        run(["rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nosignature", "--noplugins",
             "-i", core])
        (root / MODULES / "kernel").mkdir(parents=True)
        for name in ("core", "other"):
            (root / MODULES / f"kernel/{name}.ko").write_bytes(module_bytes(name, kernel=KERNEL))
        for name in ("order", "builtin", "builtin.modinfo"):
            (root / MODULES / f"modules.{name}").write_text("")
        run(["depmod", "-b", root, KERNEL])
        (root / "etc/dracut.conf.d").mkdir(exist_ok=True)
        (root / "etc/dracut.conf.d/image.conf").write_text(CONFIGURATION)
        build_initramfs(root)
        os.rename(root / "usr/bin/dracut", root / "usr/bin/dracut.real")
        replace_dracut(root, f"echo run >> /{LOG}; exec dracut.real \"$@\"")
        yield root


def replace_dracut(root: Path, text: str) -> None:
    (root / "usr/bin/dracut").write_text(f"#!/bin/sh\n{text}\n")
    (root / "usr/bin/dracut").chmod(0o755)


def take_run_count(root: Path) -> int:
    log = root / LOG
    count = len(log.read_text().split()) if log.exists() else 0
    log.unlink(missing_ok=True)
    return count


def state(root: Path) -> Dict[str, object]:
    entries: Dict[str, object] = {}
    for part in ("boot", "etc", "usr/lib/modules", "opt", "tmp", "var/tmp", "var/lib"):
        entries.update((f"{part}/{path}", entry) for path, entry in tree(root / part).items()
                       if not f"{part}/{path}".startswith(("var/lib/rpm", "var/lib/dnf",
                                                           "etc/dnf/modules.d")))
    entries["time"] = (root / IMAGE).stat().st_mtime_ns
    return entries


@pytest.fixture
def bundles(tmp_path: Path, built: Fixtures) -> List[Path]:
    paths = []
    for name in ("one", "two"):
        repo = RpmRepo(tmp_path / f"{name}-repo", name, key=built.key)
        repo.add(name, "1.0", files={f"/opt/{name}": ""})
        paths.append(write_bundle(tmp_path / name, descriptor_xml(name, repos=[name], settings=[
            f'<initramfs-driver name="{"core" if name == "one" else "other"}"/>',
            '<dracut-module name="base"/>' if name == "one" else
            '<dracut-module name="rescue"/>']), repo=repo, key=built.key))
    return paths


def test_the_initramfs_is_rebuilt_once_for_all_plugins_of_a_run(
        system: Path, bundles: List[Path], dnf: Dnf, tmp_path: Path) -> None:
    before = state(system)
    installed = dnf.plugin(system, "install", *bundles, "-y", "--trust-keys")
    assert installed.status == 0, installed.text
    assert (f"make the initramfs of kernel {KERNEL} again if it lacks driver other, dracut"
            " module rescue") in installed.text
    assert take_run_count(system) == 1
    assert dnf.plugin(system, "verify").out.splitlines() == ["one 1.0: ok", "two 1.0: ok"]
    assert initramfs_drivers(system, tmp_path) == ["core", "other"]
    assert dnf.plugin(system, "remove", "one", "-y").status == 0
    assert take_run_count(system) == 1
    assert dnf.plugin(system, "verify").out.splitlines() == ["two 1.0: ok"]
    removed = dnf.plugin(system, "remove", "two", "-y")
    assert removed.status == 0 and take_run_count(system) == 0
    after = state(system)
    assert sorted(path for path in {*before, *after} if before.get(path) != after.get(path)) == []


def test_a_failed_rebuild_restores_the_initramfs(system: Path, bundles: List[Path],
                                                 dnf: Dnf) -> None:
    replace_dracut(system, f"cp /{IMAGE} /tmp/initramfs.img")
    before = state(system)
    failed = dnf.plugin(system, "install", *bundles, "-y", "--trust-keys")
    assert "dracut left out dracut module base" in failed.text
    assert "rolled back" in failed.text
    assert state(system) == before
    assert not (system / f"{IMAGE}{KEPT}").exists()


def test_a_killed_rebuild_is_undone_by_the_next_command(system: Path, bundles: List[Path], dnf: Dnf,
                                                        tmp_path: Path) -> None:
    replace_dracut(system, "touch /var/log/begun; sleep 60; exit 1")
    before = state(system)
    begun = system / "var/log/begun"
    process = subprocess.Popen(
        dnf.argv(system, "node-plugin", "install", bundles[0], "-y", "--trust-keys"),
        env={**environment(), "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert begun.exists() and state(system) != before
    verified = dnf.plugin(system, "verify")
    assert "An interrupted install of one was undone" in verified.text
    assert state(system) == before


def test_a_root_without_dracut_is_refused_before_any_change(
        system: Path, bundles: List[Path], dnf: Dnf) -> None:
    (system / "usr/bin/dracut").unlink()
    before = state(system)
    refused = dnf.plugin(system, "install", bundles[0], "-y", "--trust-keys")
    assert refused.status == 6 and "the root has no dracut" in refused.text
    assert state(system) == before

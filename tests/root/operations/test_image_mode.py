"""Plugins installed in a container build, into a root in image mode."""
from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.settings.boot.initramfs_images import parse
from ovirt_node_plugin.settings.placed import tmpfiles
from ovirt_node_plugin.system.paths import resolve_inside
from ovirt_node_plugin.system.run import run
from tests import support
from tests.root.settings.boot.test_initramfs import (
    IMAGE,
    build_initramfs,
    write_kernel_module,
)
from tests.support import manpages, trust_root
from tests.support.cache import cache_root
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment, succeeded
from tests.support.full_host import full_host_root
from tests.support.image_mode import (
    INITRAMFS,
    KARGS,
    OTHER_DATABASE,
    container_build,
    make_image_mode,
)
from tests.support.settings_root import KERNEL, MODULES
from tests.support.tree_states import State, state_differences, tree_state

pytestmark = [pytest.mark.root]

HERE = Path("/")
INITRAMFS_PATH = f"{MODULES}/initramfs.img"
PARTS = ("boot", "etc", "usr/lib/bootc", "usr/lib/modules", "usr/lib/sysusers.d")
YES = ("-y", "--trust-keys")
FILES = {"/opt/acme/bin/agent": "a", "/opt/acme/agent.conf": "", "/usr/libexec/acme": "z",
         "/usr/lib/tmpfiles.d/acme.conf": "d /var/lib/acme 0755 acme acme -\n"
                                          "d! /var/lib/acme-boot/\n",
         "/usr/share/acme/made": "d /var/spool/acme\n",
         **dict.fromkeys(("/opt/acme/", "/opt/acme/bin/", "/var/lib/acme/", "/var/lib/acme-boot/",
                          "/var/lib/acme-cache/",
                          "/var/spool/acme/"), "")}
SETTINGS = ('<kernel-argument name="iommu" value="pt"/>',
            '<user name="acme" home="/var/lib/acme"/>',
            '<sysctl name="vm.swappiness" value="7"/>',
            '<tmpfiles name="acme.conf" source="/usr/share/acme/made"/>')


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A plugin with files in /opt and folders in /var."""
    return make_plugin(tmp_path, "acme", settings=SETTINGS, files=FILES)


def test_a_host_is_changed_in_a_container_build(host: Path, dnf: Dnf,
                                                built: support.Fixtures) -> None:
    root = make_image_mode(host, database=OTHER_DATABASE)
    build = container_build(root, dnf)
    installed = succeeded(build.plugin(HERE, "install", built.bundle("cim", form="tar.zst"), *YES))
    assert "Nothing of it takes effect now: no systemd runs here" in installed.text
    assert (root / "etc/systemd/system/multi-user.target.wants/sblim-sfcb.service").is_symlink()
    assert ((root / "usr/lib/ovirt.plugins.d/cim").read_bytes()
            == (root / "etc/ovirt.plugins.d/cim").read_bytes())
    assert succeeded(build.plugin(HERE, "verify")).out == "cim 1.0: ok\n"


def test_the_lines_of_the_manual_leave_what_the_plan_says(
        node: Path, acme: Path, dnf: Dnf, tmp_path: Path) -> None:
    root = make_image_mode(node)
    build = container_build(root, dnf)
    before = tree_state(root, excluded=())
    planned = succeeded(
        build.plugin(HERE, "install", acme, UNSIGNED, "--dry-run", "--json")).json
    assert [(item["path"], item["detail"]) for item in planned["noteworthy"]
            if item["kind"] == "not-updated"] == [
        ("/opt/acme", "2 files, 2 folders that no tmpfiles.d file makes"),
        ("/var/lib/acme-cache", "1 folder that no tmpfiles.d file makes")]
    (example,) = manpages.examples_of_kind("dnf-node-plugin.8", "containerfile")
    copy, command = re.findall(r"^(COPY|RUN) ((?:.*\\\n)*.*)", example.text, re.MULTILINE)[:2]
    assert copy == ("COPY", "cim.tar.zst /tmp/cim.tar.zst")
    run_line(build, command[1].replace("/tmp/cim.tar.zst", f"{acme}"), tmp_path)
    assert sorted(new_in_var(root, before)) == [
        "var/lib/acme", "var/lib/acme-boot", "var/lib/acme-cache", "var/opt/acme",
        "var/opt/acme/agent.conf", "var/opt/acme/bin", "var/opt/acme/bin/agent", "var/spool/acme"]
    assert lints(root, before) == {"var-tmpfiles": [
        "var/lib/acme-cache", "var/opt/acme", "var/opt/acme/agent.conf", "var/opt/acme/bin",
        "var/opt/acme/bin/agent"]}
    (kernel,) = (root / "usr/lib/modules").iterdir()
    assert (kernel / "initramfs.img").read_text() == INITRAMFS
    assert kargs(root) == {"50-node-plugins.toml": ["iommu=pt"]}


@pytest.fixture
def complete(tmp_path: Path) -> Iterator[Path]:
    """A complete host in image mode, whose initramfs was built by dracut."""
    with full_host_root(tmp_path / "system") as root:
        for name in ("core", "other"):
            write_kernel_module(root, name)
        for name in ("order", "builtin", "builtin.modinfo"):
            (root / MODULES / f"modules.{name}").write_text("")
        run(["depmod", "-b", root, KERNEL])
        (root / "etc/dracut.conf.d").mkdir(exist_ok=True)
        (root / "etc/dracut.conf.d/image.conf").write_text(
            'dracutmodules+=" kernel-modules "\ncompress="cat"\n')
        build_initramfs(root)
        initramfs = (root / IMAGE).read_bytes()
        make_image_mode(root)
        (root / INITRAMFS_PATH).write_bytes(initramfs)
        (root / "usr/lib/dracut/modules.d/50ostree").mkdir()
        (root / "usr/lib/dracut/modules.d/50ostree/module-setup.sh").write_text(
            "check() { return 255; }\ninstall() { :; }\n")
        yield root


def test_programs_of_the_root_run_with_the_rights_of_a_build(
        complete: Path, dnf: Dnf, tmp_path: Path) -> None:
    """These are dracut, lsinitrd, update-ca-trust and systemd-sysusers."""
    build = container_build(complete, dnf, complete=True)
    certificate = {"/usr/share/acme.pem": trust_root.ACME}
    plugin = make_plugin(tmp_path, "acme", files=certificate, settings=[
        '<initramfs-driver name="core"/>', '<user name="acme"/>',
        '<firewall-port port="5989" protocol="tcp"/>',
        '<ca-certificate source="/usr/share/acme.pem" name="acme.pem"/>'])
    succeeded(build.plugin(HERE, "list"))
    before = {part: tree_state(complete / part) for part in PARTS}
    succeeded(build.plugin(HERE, "install", plugin, "-y", UNSIGNED))
    content = parse(run(program.argv(complete, ["lsinitrd", f"/{INITRAMFS_PATH}"])))
    assert "core" in content.drivers and "ostree" in content.modules
    assert os.listdir(complete / "boot") == []
    assert succeeded(build.plugin(HERE, "verify")).out == "acme 1.0: ok\n"
    succeeded(build.plugin(HERE, "remove", "acme", "-y"))
    assert [state_differences(before[part], tree_state(complete / part)) for part in PARTS] == [
        []] * len(PARTS)


@pytest.mark.parametrize("mode", ["ordinary", "image"])
def test_a_change_of_the_mode_by_a_plugin_is_undone(node: Path, dnf: Dnf, tmp_path: Path,
                                                    mode: str) -> None:
    if mode == "image":
        make_image_mode(node)
    post, text = ("rm -r /usr/lib/bootc /usr/lib/ostree", "is no longer in image mode") \
        if mode == "image" else ("mkdir /usr/lib/ostree", "is in image mode now")
    plugin = make_plugin(tmp_path, "acme", settings=SETTINGS[:1], scriptlets={"post": post})
    before = tree_state(node)
    refused = dnf.plugin(node, "install", plugin, "-y", UNSIGNED)
    assert (refused.status, text in refused.err) == (8, True), refused.text
    assert state_differences(before, tree_state(node)) == []


def run_line(build: Dnf, line: str, tmp_path: Path) -> None:
    """Run a line of a Containerfile in the build, where dnf has the options of these tests."""
    program = tmp_path / "bin/dnf"
    program.parent.mkdir()
    words = build.argv(HERE)[len(build.prefix):]
    program.write_text(f"#!/bin/sh\nexec {shlex.join(words)} {UNSIGNED} \"$@\"\n")
    program.chmod(0o755)
    completed = subprocess.run(
        [*build.prefix, "env", f"PATH={program.parent}:{os.environ['PATH']}", "sh", "-c", line],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert completed.returncode == 0, completed.stdout


def new_in_var(root: Path, before: State) -> List[str]:
    """Return what is new in /var of a root, without the mount points of the build."""
    cache = resolve_inside(root, str(cache_root())).relative_to(root)
    mounted = {path.as_posix() for path in (cache, *cache.parents)}
    return [path for path in tree_state(root, excluded=()) if path.startswith("var/")
            and path not in before and path not in mounted]


def kargs(root: Path) -> Dict[str, List[str]]:
    """Return the arguments in each file of kargs.d, as bootc reads them."""
    toml: Any = importlib.import_module("tomllib")
    return {path.name: toml.loads(path.read_text())["kargs"]
            for path in (root / KARGS).glob("*.toml")}


def lints(root: Path, before: State) -> Dict[str, List[str]]:
    """Return what ``bootc container lint`` finds of the build, by lint.

    These are nonempty-boot, var-log, var-tmpfiles and bootc-kargs of bootc's
    crates/lib/src/lints.rs.
    """
    declared = {path.strip("/") for folder in ("usr/lib/tmpfiles.d", "etc/tmpfiles.d")
                for file in (root / folder).glob("*.conf")
                for path in tmpfiles.paths(file.read_text(), boot=True)}
    found = {"nonempty-boot": os.listdir(root / "boot"),
             "var-log": [str(path) for path in (root / "var/log").rglob("*")
                         if path.is_file() and path.stat().st_size],
             "var-tmpfiles": sorted(set(new_in_var(root, before)) - declared)}
    kargs(root)
    return {name: paths for name, paths in found.items() if paths}

"""Hostile images: reading one, or merging into it, changes nothing on this machine."""
from __future__ import annotations

import os
import pty
import stat
import subprocess
from pathlib import Path
from typing import Callable, Dict, Tuple

import pytest

from ovirt_node_plugin.images.iso.boot_text.model import BootEntry
from ovirt_node_plugin.images.iso.boot_text.texts import entries
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment, succeeded
from tests.support.iso_contents import extract_iso, xorriso
from tests.support.program import Program
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """An unrelated folder of this machine."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "file").write_text("precious\n")
    return folder


def link_out(name: str) -> Callable[[Path, Path], None]:
    def make(root: Path, victim: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            run(["rm", "-rf", path])
        path.unlink(missing_ok=True)
        path.symlink_to(victim if "." not in path.name else victim / "file")
    return make


def memory_device(root: Path, victim: Path) -> None:
    (root / "var/lib/dnf").mkdir(parents=True, exist_ok=True)
    os.mknod(root / "var/lib/dnf/history.sqlite", 0o600 | 0o020000, os.makedev(1, 5))


@pytest.mark.parametrize("make", [
    link_out("var/log"), link_out("var/lib/dnf"), link_out("var/cache"), link_out("var/cache/dnf"),
    link_out("etc/yum.repos.d"), link_out("etc/yum.repos.d/x.repo"),
    link_out("usr/share/rpm/rpmdb.sqlite"),
    link_out("var/lib/dnf/history.sqlite"), link_out("etc/dnf"), memory_device],
    ids=["var-log", "var-lib-dnf", "var-cache", "cache", "repos", "repo", "rpmdb", "history",
         "etc-dnf", "device"])
def test_links_that_dnf_would_follow_outside_the_image_change_nothing_there(
        make: Callable[[Path, Path], None], node: Path, victim: Path, program: Program,
        tmp_path: Path) -> None:
    make(node, victim)
    before = {path.name: path.read_bytes() for path in victim.iterdir()}
    program("inspect", node)
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    program("merge", node, plugin, "-o", tmp_path / "out", "-y", UNSIGNED)
    assert {path.name: path.read_bytes() for path in victim.iterdir()} == before


def test_a_cache_folder_that_links_outside_is_named(
        node: Path, victim: Path, program: Program) -> None:
    link_out("var/cache/dnf")(node, victim)
    answer = program("inspect", node)
    assert answer.status == 6
    assert f"/var/cache/dnf in the image leads, by a symbolic link, to {victim} of" in answer.err


# Folders that can all be links at the same time.
FOLLOWED = {
    "deep": ("etc/dnf/vars", "etc/yum.repos.d", "usr/share/rpm", "var/cache/dnf", "var/lib/dnf",
             "var/log", "etc/modprobe.d", "opt"),
    "high": ("etc/dnf", "usr/share", "var/cache", "var/lib"),
    "var": ("var",)}


def move_and_link(root: Path, name: str, text: str = "") -> str:
    """Move the folder ``name`` of ``root`` to /srv/moved/NAME and replace it with a link.

    Returns the target of the link, by default a relative one.
    """
    target = root / "srv/moved" / name.replace("/", "-")
    target.parent.mkdir(exist_ok=True)
    text = text.format(target.name) or "../" * name.count("/") + f"srv/moved/{target.name}"
    if (root / name).is_dir() and not (root / name).is_symlink():
        run(["mv", root / name, target])
    else:
        (root / name).unlink(missing_ok=True)
        target.mkdir()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(text)
    if target.name in ("var", "var-lib"):  # links in it are nested deeper
        for path in (target / "lib/dnf", target / "lib/rpm", target / "dnf", target / "rpm"):
            if path.is_symlink():
                target_text = os.readlink(path)
                path.unlink()
                path.symlink_to("../" * (2 if target.name == "var" else 1) + target_text)
    return text


@pytest.mark.parametrize("names", FOLLOWED.values(), ids=FOLLOWED)
def test_folders_may_be_links_inside_the_image(
        names: Tuple[str, ...], node: Path, program: Program, tmp_path: Path) -> None:
    texts = {name: move_and_link(node, name) for name in names}
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = succeeded(program("merge", node, plugin, "-o", tmp_path / "out", "-y", UNSIGNED))
    assert "triggers" not in answer.text, answer.text
    assert {name: os.readlink(tmp_path / "out" / name) for name in names} == texts
    succeeded(program("inspect", tmp_path / "out"))


@pytest.mark.parametrize("names", FOLLOWED.values(), ids=FOLLOWED)
def test_install_and_remove_restore_a_root_with_linked_folders(
        names: Tuple[str, ...], node: Path, dnf: Dnf, tmp_path: Path) -> None:
    for name in names:
        move_and_link(node, name)
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"}, scriptlets={
        "post": "echo x > /etc/modprobe.d/made; echo y > /var/lib/made; echo z > /opt/made"})
    before = tree_state(node)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, plugin))
    assert (node / "opt/made").exists() and (node / "var/lib/made").exists()
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "-y", "agent"))
    assert state_differences(before, tree_state(node)) == []


def test_a_link_to_a_missing_folder_is_named(node: Path, program: Program) -> None:
    (node / "usr/share/dnf").rmdir()
    answer = program("inspect", node)
    assert answer.status == 6
    assert "/var/lib/dnf in the image is a symbolic link to a folder that is not" in answer.err


@pytest.mark.parametrize("text", ["/srv/moved/{}", "../" * 30 + "srv/moved/{}"],
                         ids=["absolute", "dots"])
@pytest.mark.parametrize("name", ["etc/dnf", "etc/yum.repos.d", "var", "var/cache/dnf",
                                  "var/lib", "var/lib/dnf", "usr/share"])
def test_a_link_that_leads_outside_without_chroot_is_refused(
        name: str, text: str, node: Path, program: Program) -> None:
    move_and_link(node, name, text)
    answer = program("inspect", node)
    assert answer.status == 6
    assert "in the image leads, by a symbolic link, to /srv/moved" in answer.err


@pytest.mark.parametrize("name", ["var/log/dnf.log", "var/log/dnf.rpm.log", "var/log",
                                  "var/cache/dnf/repo-0123456789abcdef", "var/cache/dnf/x.solv",
                                  "var/lib/dnf/modulefailsafe/a.yaml"])
def test_the_command_refuses_links_by_which_dnf_would_write_outside(
        name: str, node: Path, victim: Path, dnf: Dnf) -> None:
    link_out(name)(node, victim)
    answer = dnf.plugin(node, "verify")
    assert answer.status == 6, answer.text
    assert f"/{name} in {node} leads, by a symbolic link, to {victim}" in answer.err


def test_a_link_to_outside_behind_a_link_inside_is_detected(
        node: Path, victim: Path, dnf: Dnf) -> None:
    move_and_link(node, "var/lib/dnf/modulefailsafe")
    (node / "srv/moved/var-lib-dnf-modulefailsafe/circle").symlink_to(".")
    assert dnf.plugin(node, "list").status == 0
    link_out("srv/moved/var-lib-dnf-modulefailsafe/a.yaml")(node, victim)
    answer = dnf.plugin(node, "list")
    assert answer.status == 6, answer.text
    assert f"/var/lib/dnf/modulefailsafe/a.yaml in {node} leads" in answer.err


@pytest.mark.parametrize("listed", [
    '["{victim}/file"]', '["{cache}/../../../..{victim}/file"]', '"{victim}/file"', '["file"]',
    '{{"{victim}/file": 1}}', '["{cache}x/file"]'])
def test_a_root_cannot_make_dnf_remove_files_of_this_machine(
        listed: str, node: Path, victim: Path, dnf: Dnf, tmp_path: Path) -> None:
    """After a transaction dnf removes the files that its cache lists, wherever they are."""
    cache = node / "var/cache/dnf"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "tempfiles.json").write_text(listed.format(victim=victim, cache=cache))
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, plugin)
    assert (victim / "file").exists()
    assert answer.status == 6, answer.text
    assert "which dnf would remove from this machine" in answer.err
    assert f"rm {cache}/tempfiles.json" in answer.err


def test_downloads_that_dnf_keeps_in_the_root_are_removed(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    kept = node / "var/cache/dnf/repo-0123456789abcdef/packages/old.rpm"
    kept.parent.mkdir(parents=True)
    kept.write_text("")
    (node / "var/cache/dnf/tempfiles.json").write_text(f'["{kept}"]')
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, plugin))
    assert not kept.exists()


def test_reading_an_image_runs_no_program_of_it(node: Path, victim: Path, program: Program) -> None:
    (node / "opt/evil").mkdir(parents=True)
    (node / "opt/evil/evil.py").write_text(f"open({str(victim / 'was-here')!r}, 'w')\n")
    own = program.dnf.folder
    conf = node / "etc/dnf/dnf.conf"
    conf.parent.mkdir(exist_ok=True)
    conf.write_text(f"[main]\npluginpath={node}/opt/evil,/var/tmp/*/tri*/*/opt/evil\n"
                    f"pluginconfpath={own}\nlogdir=/../../../..{victim}\n")
    argv = [word for word in program.argv("inspect", node) if "pluginpath" not in word]
    Program(program.work, program.dnf)
    program.dnf.run(argv)
    assert [path.name for path in victim.iterdir()] == ["file"]


def test_a_scriptlet_cannot_redirect_the_cache_outside(
        built: support.Fixtures, victim: Path, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "swap", files={"/opt/swap/x": ""}, scriptlets={
        "post": f"rm -rf /var/cache/dnf /var/log; ln -s {victim} /var/cache/dnf;"
                f" ln -s {victim} /var/log; true"})
    program("merge", built.iso("tree-live"), plugin, "-o", tmp_path / "out.iso", "-y", UNSIGNED)
    assert {path.name: path.read_text() for path in victim.iterdir()} == {"file": "precious\n"}


def test_a_kept_bundle_is_the_one_that_was_named(
        built: support.Fixtures, victim: Path, program: Program, tmp_path: Path) -> None:
    late = (f"(sleep 1; while sleep 0.05; do sed -i 's,source=\"[^\"]*\",source=\"{victim}/file\",;"
            f"s,<source>[^<]*<,<source>{victim}/file<,' /etc/ovirt.plugins.d/leak"
            " /usr/lib/ovirt.plugins.d/leak; done)"
            " >/dev/null 2>&1 </dev/null &")
    plugin = make_plugin(tmp_path, "leak", files={"/opt/leak/x": ""}, scriptlets={"post": late})
    program("merge", built.iso("tree-live"), plugin, "-o", tmp_path / "out.iso", "-y", UNSIGNED,
            "--keep-bundles", "--no-check")
    if (tmp_path / "out.iso").exists():
        tree = extract_iso(tmp_path / "out.iso", tmp_path / "taken")
        assert b"precious" not in (tree / "node-plugins/leak-1.0.tar").read_bytes()


@pytest.mark.parametrize(("text", "expected"), [
    ("\n" * 1_000_000, ()),
    ("linux /k" + " " * 900_000 + "x", (BootEntry("", "/k", (), "x"),)),
    ("label" + "\t" * 900_000, ()),
])
def test_a_boot_configuration_of_a_million_characters_is_read(
        text: str, expected: Tuple[BootEntry, ...]) -> None:
    assert entries(text) == expected


def test_a_name_with_a_colon_is_no_path_in_an_image(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, odd = built.iso("tree-live"), tmp_path / "odd.iso"
    config = extract_iso(iso, tmp_path / "tree") / "EFI/BOOT/grub.cfg"
    xorriso(iso, "-outdev", f"stdio:{odd}", "-boot_image", "any", "replay", "-map", str(config),
            "/boot/grub2/a:b.cfg", "-commit")
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=[
        '<kernel-argument name="isv.mode" value="fast"/>'])
    succeeded(program("merge", odd, plugin, "-o", tmp_path / "out.iso", "-y", UNSIGNED))


def test_names_with_line_breaks_are_reported(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, odd = built.iso("tree-live"), tmp_path / "odd.iso"
    (tmp_path / "x").touch()
    xorriso(iso, "-outdev", f"stdio:{odd}", "-boot_image", "any", "replay", "-map",
            str(tmp_path / "x"), "/a\nb", "-commit")
    answer = program("inspect", odd)
    assert answer.status in (0, 10) and "Traceback" not in answer.text


def test_a_device_is_not_extracted_from_an_image(
        node: Path, program: Program, tmp_path: Path) -> None:
    os.mknod(node / "etc/blk", 0o666 | 0o060000, os.makedev(254, 0))
    answer = succeeded(program("extract", node, "/etc", "-o", tmp_path / "taken"))
    assert not os.path.lexists(tmp_path / "taken/blk") and "blk is a device" in answer.err
    assert (tmp_path / "taken/passwd").exists()
    assert program("extract", node, "/etc/blk", "-o", tmp_path / "one").status == 2


def test_an_extracted_file_has_no_privileges(node: Path, program: Program, tmp_path: Path) -> None:
    folder = node / "opt/tools"
    folder.mkdir(parents=True)
    for name, mode in (("su", 0o4755), ("sg", 0o2755), ("cap", 0o755), ("plain", 0o1644)):
        (folder / name).write_text("x", encoding="utf-8")
        (folder / name).chmod(mode)
    folder.chmod(0o2755)
    os.symlink("/usr/bin/su", folder / "link")
    run(["setcap", "cap_net_raw+ep", folder / "cap"])
    answer = succeeded(program("extract", node, "/opt/tools", "-o", tmp_path / "taken"))
    assert "3 files copied without setuid, setgid or capabilities" in answer.err
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode)
             for path in (tmp_path / "taken", *(tmp_path / "taken").iterdir())}
    assert modes == {"taken": 0o755, "su": 0o755, "sg": 0o755, "cap": 0o755, "plain": 0o1644,
                     "link": 0o777}
    assert os.listxattr(tmp_path / "taken/cap") == []
    succeeded(program("extract", node, "/opt/tools/su", "-o", tmp_path / "su"))
    assert stat.S_IMODE((tmp_path / "su").stat().st_mode) == 0o755
    answer = succeeded(program("extract", node, "/opt/tools", "-o", tmp_path / "kept",
                          "--keep-privileges"))
    assert answer.err == ""
    assert stat.S_IMODE((tmp_path / "kept/su").stat().st_mode) == 0o4755
    assert os.listxattr(tmp_path / "kept/cap") == ["security.capability"]


def test_a_file_is_printed_to_a_terminal_with_escapes(
        node: Path, program: Program, tmp_path: Path) -> None:
    content = b"a\tb\x1b[31m\xff\n\xe2\x80\xaec\n"
    (node / "etc/text").write_bytes(content)
    argv = program.argv("extract", node, "/etc/text")
    reader, terminal = pty.openpty()
    try:
        subprocess.run(argv, env=environment(), stdout=terminal, check=True)
        shown = os.read(reader, 1 << 12)
    finally:
        os.close(terminal)
        os.close(reader)
    assert shown.split(b"\r\n")[:2] == [b"a\tb\\x1b[31m\\udcff", b"\\u202ec"]
    with open(tmp_path / "out", "wb") as out:
        subprocess.run(argv, env=environment(), stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == content


def test_an_output_inside_an_input_folder_is_refused(
        node: Path, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    before = sorted(os.listdir(node / "var"))
    answer = program("merge", node, plugin, "-o", node / "var/out", "-y", UNSIGNED)
    assert answer.status == 2 and "is in the image" in answer.err
    assert sorted(os.listdir(node / "var")) == before


def test_an_output_created_during_the_merge_is_kept(
        built: support.Fixtures, program: Program, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    iso = built.iso("tree-live")
    (tmp_path / "bin").mkdir()
    shim: Dict[str, str] = {"mksquashfs": f"touch {tmp_path}/out.iso"}
    for name, text in shim.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\n{text}; exec /usr/bin/{name} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = program("merge", iso, plugin, "-o", tmp_path / "out.iso", "-y", UNSIGNED)
    assert answer.status == 1 and "was created by another process meanwhile" in answer.err
    assert (tmp_path / "out.iso").read_bytes() == b""

"""Folders that packages own: after a removal they are as before, whatever is in them."""
from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

OWNER = (12, 34)
STILL = "a removal restores that"


def install(dnf: Dnf, root: Path, *bundles: Path) -> Answer:
    return succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, *bundles))


def remove(dnf: Dnf, root: Path, *names: str) -> Answer:
    return succeeded(dnf.plugin(root, "remove", "-y", *names))


def make_folder(path: Path, mode: int, **files: str) -> None:
    """Make a folder of the administrator's with ``files``, by name, in it."""
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    os.chown(path, *OWNER)
    path.chmod(mode)


def mode_and_owner(path: Path) -> object:
    info = path.stat()
    return info.st_mode & 0o7777, info.st_uid, info.st_gid


def prepare(root: Path) -> None:
    """Make folders of nobody's that the plugin ``acme`` claims: with data, empty, by a link."""
    make_folder(root / "opt/claimed", 0o750, data="mine")
    make_folder(root / "opt/empty", 0o700)
    (root / "opt/same").mkdir()
    make_folder(root / "opt/real", 0o711)
    (root / "opt/linked").symlink_to("real")


FOLDERS = ("/opt/acme/", "/opt/acme/deep/nested/", "/opt/claimed/", "/opt/empty/", "/opt/same/",
           "/opt/linked/")


def acme(tmp_path: Path, version: str = "1.0", *, folders: Sequence[str] = FOLDERS,
         post: str = "echo x > /opt/acme/state; echo x > /opt/acme/deep/nested/state") -> Path:
    return make_plugin(tmp_path, "acme", version, requires="busybox",
                       files=dict.fromkeys((*folders, "/opt/acme/data"), ""),
                       scriptlets={"post": post})


def test_data_of_the_administrator_that_a_scriptlet_moves_is_not_removed(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    make_folder(node / "opt/site", 0o750, data="mine")
    make_folder(node / "opt/other", 0o750, plain="mine as well")
    move = ("mv /opt/site /var/lib/site; ln -s /var/lib/site /opt/site; echo x > /var/lib/site/new;"
            " mv /opt/other/plain /opt/other/plain.old; echo x > /opt/other/plain")
    answer = install(dnf, node, make_plugin(tmp_path, "acme", requires="busybox",
                                            files={"/opt/acme/data": ""},
                                            scriptlets={"post": move}))
    assert ("%post of acme-1.0-1.noarch moved /opt/other/plain to /opt/other/plain.old,"
            " /opt/site/data to /var/lib/site/data: a removal does not move that back."
            in answer.text)
    remove(dnf, node, "acme")
    assert (node / "var/lib/site/data").read_text() == "mine"
    assert (node / "opt/other/plain.old").read_text() == "mine as well"
    assert not (node / "var/lib/site/new").exists() and not (node / "opt/site").is_symlink()


def test_folders_that_a_package_owns_or_claims_are_as_before_after_its_removal(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    prepare(node)
    before = tree_state(node)
    answer = install(dnf, node, acme(tmp_path))
    assert (f"Packages changed /opt/claimed, /opt/empty, /opt/real, which existed before; {STILL}"
            in answer.text)
    assert ("%post of acme-1.0-1.noarch made /opt/acme/deep/nested/state, /opt/acme/state."
            in answer.text)
    assert all(f"{doer} {word}" not in answer.text for word in ("changed", "removed")
               for doer in ("acme-1.0-1.noarch", "Scriptlets", "The transaction"))
    assert mode_and_owner(node / "opt/claimed") == (0o755, 0, 0)
    succeeded(dnf.plugin(node, "verify"))
    answer = remove(dnf, node, "acme")
    assert "is left" not in answer.text
    assert state_differences(before, tree_state(node)) == []


def test_folders_of_an_install_that_fails_are_as_before(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    prepare(node)
    before = tree_state(node)
    bundle = acme(tmp_path, post="echo x > /opt/acme/state; chmod 0777 /opt/real; exit 1")
    assert dnf.plugin(node, "install", "-y", UNSIGNED, bundle).status == 8
    assert state_differences(before, tree_state(node)) == []


def test_folders_that_a_new_version_does_not_own_are_as_before_after_the_upgrade(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    prepare(node)
    before = tree_state(node)
    install(dnf, node, acme(tmp_path))
    answer = install(dnf, node, acme(tmp_path, "2.0", folders=("/opt/other/",), post="true"))
    assert "is left" not in answer.text
    after = tree_state(node)
    claimed = ("opt/claimed", "opt/claimed/data", "opt/empty", "opt/linked", "opt/real", "opt/same")
    assert {path: after[path] for path in claimed} == {path: before[path] for path in claimed}
    assert (node / "opt/acme/deep/nested/state").exists()  # scriptlets' files stay until removal
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, "acme")
    assert state_differences(before, tree_state(node)) == []


def test_folders_that_rpm_took_back_from_an_administrator_are_as_before_after_a_removal(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    prepare(node)
    before = tree_state(node)
    install(dnf, node, acme(tmp_path), make_plugin(
        tmp_path, "other", files={"/opt/acme/": "", "/opt/acme/other": ""}))
    for words in (["repair", "acme"], ["install", acme(tmp_path, "2.0")], ["repair", "acme"]):
        for name in ("acme", "claimed"):
            (node / "opt" / name).chmod(0o700)
        answer = succeeded(dnf.plugin(node, *words, "-y", UNSIGNED))
        assert "existed before" not in answer.text
        assert (mode_and_owner(node / "opt/acme") == mode_and_owner(node / "opt/claimed")
                == (0o755, 0, 0))
    assert "was changed" not in remove(dnf, node, "acme").text + remove(dnf, node, "other").text
    assert state_differences(before, tree_state(node)) == []


def test_a_folder_with_a_file_of_the_administrator_stays_and_is_named(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    install(dnf, node, acme(tmp_path))
    (node / "opt/acme/deep/mine").write_text("mine")
    answer = dnf.plugin(node, "remove", "-y", "--json", "acme")
    notes = json.loads(answer.out)["notes"]
    assert [note for note in notes if "is left" in note] == [
        "/opt/acme/deep is left: it is not empty", "/opt/acme is left: it is not empty"]
    assert sorted(path.name for path in (node / "opt/acme").rglob("*")) == ["deep", "mine"]


# -- random orders

# By plugin: its versions, each with files, modes of folders, and scriptlets. They have owned,
# shared and nested folders; scriptlets and triggers make and remove files in them.
PLUGINS: Dict[str, List[Dict[str, Any]]] = {
    "one": [
        {"files": {"/opt/shared/": "", "/opt/shared/one/": "", "/opt/shared/one/data": "1",
                   "/opt/mine/": ""},
         "attributes": {"/opt/shared/": "%attr(0750,root,root)",
                        "/opt/shared/one/": "%attr(0710,root,root)"},
         "scriptlets": {"post": "echo s > /opt/shared/state; mkdir -p /opt/mine/deep;"
                                " echo x > /opt/mine/deep/x; echo >> /etc/common.list",
                        "preun": "[ $1 -gt 0 ] || rm -f /opt/mine/deep/x"}},
        {"files": {"/opt/shared/one/": "", "/opt/shared/one/data": "2", "/opt/mine/new/": ""},
         "scriptlets": {"post": "echo s > /opt/mine/new/state"}}],
    "two": [
        {"files": {"/opt/shared/": "", "/opt/shared/one/two/": "", "/opt/shared/one/two/data": "2"},
         "attributes": {"/opt/shared/": "%attr(0750,root,root)"},
         "scriptlets": {"post": "echo x > /opt/shared/one/two/x; mkdir -p /srv/two/a",
                        "postun": "rmdir /srv/two/a; true"}},
        {"files": {"/opt/two/": ""}, "scriptlets": {"pre": "mkdir -p /opt/shared/pre"}}],
    "three": [
        {"files": {"/opt/shared/": "", "/var/lib/three/": "", "/opt/mine/deep/": ""},
         "attributes": {"/opt/shared/": "%attr(0750,root,root)"}},
        {"files": {"/opt/shared/": "", "/opt/shared/three/": ""},
         "attributes": {"/opt/shared/": "%attr(0750,root,root)"}}],
    "four": [
        {"files": {"/opt/shared/four/data": "4", "/opt/four/": ""},
         "scriptlets": {
             "triggerin -- one": "echo seen > /opt/four/one; echo seen > /opt/shared/four/one",
             "triggerun -- one": "[ $2 -gt 0 ] || rm -f /opt/four/one",
             "post": "echo >> /etc/common.list"}},
        {"files": {"/opt/shared/four/": "", "/opt/shared/four/data": "4", "/opt/four/": ""},
         "attributes": {"/opt/four/": "%attr(0711,root,root)"}}]}
BEFORE = ("opt/shared", "opt/shared/one", "opt/shared/one/two", "opt/mine", "opt/mine/deep",
          "opt/four", "opt/shared/four", "var/lib/three", "opt/two")


def make_some_folders(root: Path, chosen: random.Random) -> None:
    """Make some of the folders BEFORE, empty or with data; /opt/shared may be a link."""
    if chosen.random() < 0.3:
        make_folder(root / "opt/real", 0o711)
        (root / "opt/shared").symlink_to(chosen.choice(["real", "/opt/real"]))
    for name in BEFORE:
        path = root / name
        if chosen.random() < 0.4 and path.parent.is_dir() and not os.path.lexists(path):
            make_folder(path, chosen.choice([0o700, 0o750, 0o755]),
                        **({"data": "mine"} if chosen.random() < 0.4 else {}))


@pytest.mark.parametrize("seed", [12, 18])
def test_plugins_that_come_and_go_in_any_order_leave_no_changes(
        dnf: Dnf, node: Path, tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    bundles = {name: [make_plugin(tmp_path, name, f"{number}.0", requires="busybox", **version)
                      for number, version in enumerate(versions, 1)]
               for name, versions in PLUGINS.items()}
    make_some_folders(node, chosen)
    before = tree_state(node)
    installed: Dict[str, int] = {}
    for _ in range(4):
        names = chosen.sample(sorted(PLUGINS), chosen.choice([1, 1, 2]))
        fresh = {name: chosen.choice([0, 0, 1]) for name in names if name not in installed}
        newer = {name: 1 for name in names if installed.get(name) == 0 and chosen.random() < 0.5}
        if fresh or newer:
            install(dnf, node, *(bundles[name][number]
                                 for name, number in {**fresh, **newer}.items()))
            installed.update({**fresh, **newer})
        else:
            remove(dnf, node, names[0])
            del installed[names[0]]
    succeeded(dnf.plugin(node, "verify"))
    order = chosen.sample(sorted(installed), len(installed))
    for name in order:
        answer = remove(dnf, node, name)
        assert "is left" not in answer.text
    assert state_differences(before, tree_state(node)) == []

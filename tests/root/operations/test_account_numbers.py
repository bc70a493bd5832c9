"""Users and groups keep their numbers in another root, also those that scriptlets create.

So do parameters their values.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import pytest

from ovirt_node_plugin.operations.apply import account_numbers
from ovirt_node_plugin.registry import store
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.program import Program
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

CAPABILITY = "security.capability"
CAP_CHOWN = b"\x01\0\0\x02\x01" + bytes(15)  # vfs_cap_data of <linux/capability.h>
# A scriptlet takes the number after the highest one below 600, as useradd(8) does.
ADD_USER = """\
grep -q ^s{name}: /etc/passwd && exit 0
n=$(awk -F: '$3 < 600 && $3 >= m {{m = $3 + 1}} END {{print m < 500 ? 500 : m}}' /etc/passwd)
echo s{name}:x:$n:$n::/:/bin/false >>/etc/passwd
echo s{name}:x:$n: >>/etc/group"""


def plugin(folder: Path, name: str) -> Path:
    """Return a plugin with a user of its descriptor and one of a scriptlet, and files of both.

    It has a parameter.
    """
    made = make_plugin(
        folder, name, settings=[f'<user name="{name}"/>', f'<persistent-path path="/opt/{name}"/>'],
        files={f"/opt/{name}/file": "x", f"/opt/{name}/program": "y"},
        attributes={f"/opt/{name}/file": f"%attr(0640,{name},{name})",
                    f"/opt/{name}/program": f"%attr(4750,s{name},s{name})"},
        scriptlets={"pre": ADD_USER.format(name=name),
                    "post": f"echo >/opt/{name}/log; chown s{name} /opt/{name}/log",
                    "preun": f"rm -f /opt/{name}/log"})
    descriptor = made / "node-plugin.xml"
    descriptor.write_text(descriptor.read_text().replace("</packages>", (
        '</packages><parameters><parameter name="port" type="port" default="1">its port</parameter>'
        "</parameters>")))
    return made


def port(root: Path, name: str) -> str:
    (parameter,) = store.read_record(root, name).parameters
    return parameter.value


def numbers(root: Path) -> Dict[str, Tuple[int, int]]:
    lines = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    return {line[0]: (int(line[2]), int(line[3])) for line in lines}


def owners(root: Path, name: str) -> List[Tuple[int, int, int]]:
    states = [(root / f"opt/{name}/{file}").stat() for file in ("file", "program", "log")]
    return [(info.st_uid, info.st_gid, info.st_mode & 0o7777) for info in states]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, built: support.Fixtures) -> Path:
    """A folder with the plugins aaa and bbb, and the root ``node`` in which they are."""
    folder = tmp_path_factory.mktemp("site")
    root = built.node_root(folder / "node")
    (folder / "dnf").mkdir()
    with open(root / "etc/passwd", "a", encoding="ascii") as stream:
        stream.write("local:x:540:540::/:/bin/sh\n")
    succeeded(Dnf(folder / "dnf").plugin(
        root, "install", plugin(folder, "aaa"), plugin(folder, "bbb"), "-y", UNSIGNED,
        "--set", "bbb.port=2"))
    return folder


def test_a_plugin_without_the_others_gets_the_numbers_of_the_other_root(
        site: Path, node: Path, dnf: Dnf) -> None:
    old, before = numbers(site / "node"), tree_state(node)
    assert len({old[name] for name in ("aaa", "bbb", "saaa", "sbbb")}) == 4
    words = ("install", site / "bbb-1.0", UNSIGNED, "-y")
    succeeded(dnf.plugin(node, *words))
    alone = numbers(node)
    assert port(node, "bbb") == "1"
    assert alone["bbb"] == old["aaa"] != old["bbb"] and alone["sbbb"] != old["sbbb"]
    succeeded(dnf.plugin(node, "remove", "bbb", "-y"))

    words_with_root = (*words, f"--accounts-from={site / 'node'}")
    succeeded(dnf.plugin(node, *words_with_root))
    kept = numbers(node)
    assert port(node, "bbb") == "2"
    assert (kept["bbb"], kept["sbbb"]) == (old["bbb"], old["sbbb"])
    assert owners(node, "bbb") == owners(site / "node", "bbb")
    assert owners(node, "bbb")[1] == (*old["sbbb"], 0o4750)
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "bbb", "-y"))
    assert state_differences(before, tree_state(node)) == []

    with open(node / "etc/passwd", "a", encoding="ascii") as stream:
        stream.writelines(f"{name}:x:{uid}:0::/:/bin/sh\n" for name, uid in (
            ("zed", old["bbb"][0]), ("zoe", old["sbbb"][0])))
    answer = succeeded(dnf.plugin(node, *words_with_root))
    text = " ".join(answer.text.split())
    for name, reason in (
            ("bbb", f"had uid {old['bbb'][0]}, which is zed's in this image: it gets another one,"
                    " and"),
            ("sbbb", f"has uid {numbers(node)['sbbb'][0]} in this image, it had"
                     f" {old['sbbb'][0]}:")):
        assert (f"user {name} {reason} files that it owned have to be given to it again: find"
                f" /opt/bbb -xdev -uid {old[name][0]} -exec chown -h {name} {{}} +") in text
    succeeded(dnf.plugin(node, "remove", "bbb", "-y"))
    answer = dnf.plugin(node, *words, f"--accounts-from={site / 'dnf'}")
    assert answer.status == 2 and "has no records of plugins" in answer.err


@pytest.mark.parametrize("present, wishes, moves", [
    ({"a": 500}, {"a": 501}, {500: 501}), ({"a": 500}, {"a": 500}, {}),
    ({"a": 500}, {"b": 501}, {}),
    ({"a": 500, "x": 501}, {"a": 501}, {}), ({"a": 500, "b": 501}, {"a": 501, "b": 500},
                                             {500: 501, 501: 500}),
    ({"a": 500, "b": 501}, {"a": 501, "b": 502}, {500: 501, 501: 502}),
    ({"a": 500, "b": 501, "x": 502}, {"a": 501, "b": 502}, {}),
    ({"a": 500, "b": 501}, {"a": 510, "b": 510}, {}), ({"a": 500}, {"a": None}, {})])
def test_numbers_move_only_to_those_that_nobody_keeps(
        present: Mapping[str, int], wishes: Mapping[str, Optional[int]],
        moves: Mapping[int, int]) -> None:
    assert account_numbers._moves(present, wishes) == moves


def test_an_owner_changes_only_for_the_entry_itself(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode and capabilities stay, also if the owner puts a link in its place meanwhile."""
    program, link, victim = (tmp_path / name for name in ("program", "link", "victim"))
    for path in (program, victim):
        path.touch(0o600)
        os.chown(path, 500, 500)
    os.setxattr(program, CAPABILITY, CAP_CHOWN)
    program.chmod(0o755)
    link.symlink_to("victim")
    moves = {"user": {500: 501}, "group": {500: 502}}
    os.chown(link, 500, 500, follow_symlinks=False)
    for path in (program, link):
        account_numbers._give(path, moves)
        assert (path.lstat().st_uid, path.lstat().st_gid) == (501, 502)
    assert program.stat().st_mode & 0o7777 == 0o755
    assert os.getxattr(program, CAPABILITY) == CAP_CHOWN

    def replaced(*words: Any, **options: Any) -> None:
        chown(*words, **options)
        program.unlink()
        program.symlink_to("victim")

    chown = os.chown
    os.chown(program, 500, 500)
    program.chmod(0o4755)
    monkeypatch.setattr(os, "chown", replaced)
    account_numbers._give(program, moves)
    assert victim.stat().st_mode & 0o7777 == 0o600 and victim.stat().st_uid == 500


def test_a_merge_of_the_plugins_of_another_image_keeps_the_numbers(
        site: Path, node: Path, program: Program, tmp_path: Path) -> None:
    output = tmp_path / "output"
    succeeded(program("merge", node, site / "bbb-1.0", "--plugins-from", site / "node", "--remove",
                      "aaa", "-o", output, "-y", UNSIGNED))
    old, new = numbers(site / "node"), numbers(output)
    assert (new["bbb"], new["sbbb"]) == (old["bbb"], old["sbbb"]) and "aaa" not in new
    assert owners(output, "bbb") == owners(site / "node", "bbb")
    assert port(output, "bbb") == "2"

"""Temporary paths and hints of dnf in what the program prints."""
from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, List

import pytest

import ovirt_node_plugin
from ovirt_node_plugin.cli.hints import for_image
from ovirt_node_plugin.cli.shown import ShownPaths

pytestmark = pytest.mark.unit

LIBRARY = Path(ovirt_node_plugin.__file__).parent
FOLDER = "/var/tmp/ovirt-node-plugin-ab12cd_3"
# What a reader who ran merge cannot use
FOREIGN = re.compile(r"dnf node-plugin|--installroot|rpmkeys|--recover|--keep-modified")


@pytest.fixture
def shown() -> ShownPaths:
    shown = ShownPaths("/iso/node-4.5.5.iso", {"old": "/iso/old.iso", "other": "/iso/site.iso"})
    shown.add_folder(Path("/iso/.site.iso.ovirt-node-plugin-x7yz1234"), Path("/iso"))
    shown.add_folder(Path(FOLDER), Path("/var/tmp"))
    shown.name([(f"{FOLDER}/copies/cim-1.0.tar", "site.iso:/node-plugins/cim-1.0.tar")])
    return shown


@pytest.mark.parametrize(("text", "expected"), [
    (f"a change of {FOLDER}/trial/tried/node-4.5.5.iso was interrupted",
     "a change of /iso/node-4.5.5.iso was interrupted"),
    (f"{FOLDER}/draft/changed/node-4.5.5.iso/var/lib/a b, c", "/var/lib/a b, c"),
    (f"in {FOLDER}/input/root/etc/passwd: x", "in /etc/passwd: x"),
    (f"'{FOLDER}/input/outer/LiveOS/rootfs.img'", "'/LiveOS/rootfs.img'"),
    (f"{FOLDER}/tmp/node-plugin-abc/bundle/keys/key.asc", "/keys/key.asc"),
    (f"{FOLDER}/copies/cim-1.0.tar is damaged", "site.iso:/node-plugins/cim-1.0.tar is damaged"),
    (f"{FOLDER}/copies/cim-1.0.tar.gz", "cim-1.0.tar.gz"),
    (f"in {FOLDER}/old/tried/any: {FOLDER}/other/root", "in /iso/old.iso: /iso/site.iso"),
    (f"{FOLDER}/old/tried/any/etc/x", "/etc/x"),
    (f"disk of {FOLDER}, full", "disk of /var/tmp, full"),
    (f"{FOLDER}/written/payload: no space", "payload: no space"),
    ("/iso/.site.iso.ovirt-node-plugin-x7yz1234/site.iso: no", "site.iso: no"),
    ("/var/tmp/other/root/x", "/var/tmp/other/root/x"),
])
def test_temporary_paths_are_named_as_the_reader_knows_them(
        text: str, expected: str, shown: ShownPaths) -> None:
    assert shown.text(text) == expected
    assert shown.data({"a": [text, {"b": text}], "c": 1}) == {
        "a": [expected, {"b": expected}], "c": 1}


def hints() -> Iterator[str]:
    """Yield each hint of the library's errors, with X for what is put in."""
    for path in sorted(LIBRARY.rglob("*.py")):
        if path.relative_to(LIBRARY).parts[0] in ("cli", "dnf5", "merge", "images"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        values = [keyword.value for node in ast.walk(tree) if isinstance(node, ast.Call)
                  for keyword in node.keywords if keyword.arg == "hint"]
        values += [default for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
                   for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults)
                   if argument.arg == "hint" and default is not None]
        yield from (text for value in values for text in texts(value))


def texts(node: ast.AST) -> List[str]:
    """Return the text that an expression has, or those of its alternatives."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body), *texts(node.orelse)]
    if isinstance(node, ast.BinOp):
        return [left + right for left in texts(node.left) for right in texts(node.right)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(value.value) if isinstance(value, ast.Constant) else "X"
                        for value in node.values)]
    return ["X"]


# Hints of subcommands that a merge does not use, and of the running system
OTHERS = ("To install it: dnf node-plugin", "Drop it first", "dnf node-plugin list --available",
          "dnf node-plugin remove XX", "install NAME --installroot=/mnt/node",
          "dnf node-plugin add BUNDLE", "dnf node-plugin status shows")


def test_each_hint_helps_those_who_ran_merge() -> None:
    reworded = [(hint, for_image(hint, image="node.iso")) for hint in hints()]
    assert sum(hint != text for hint, text in reworded) >= 8
    assert [text for hint, text in reworded if FOREIGN.search(text)
            and not any(other in hint for other in OTHERS)] == []


def test_an_installroot_is_left_out_of_a_hint() -> None:
    hint = for_image("Run: dnf node-plugin verify --installroot=/x/y. It undoes that change first.",
                     image="node.iso")
    assert hint.startswith("The image was made while plugins were being changed.")
    assert "--work-dir" in for_image("Make room or enlarge the filesystem, then try again.",
                                     image="node.iso")
    assert for_image("dnf node-plugin list shows those that are.", image=r"a\1.iso") == (
        r"ovirt-node-plugin inspect a\1.iso shows those that are.")

"""A plan only reads: its modules import nothing that writes, and its root may be read-only."""
from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pytest

import ovirt_node_plugin
from tests import support
from tests.support.dnf_runner import Answer, Dnf, at_home
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

LIBRARY = Path(ovirt_node_plugin.__file__).parent
PLAN = "operations.plan"
SELF = "ovirt_node_plugin."

# What writes: packages and modules of the library, and functions of other modules. A plan
# uses none of these names and nothing below them.
LIBRARY_WRITERS = (
    "operations.apply", "plugin.library.Library",
    "registry.store.save", "registry.store.save_inventory", "registry.store.forget",
    "settings.engine.apply", "settings.engine.rebuild", "settings.engine.rereading",
    "settings.engine.live.switch_on",
    "settings.engine.live.switch_off", "settings.services.package_units.expect",
    "settings.services.package_units.stop",
    "settings.engine.live.undo_of", "settings.engine.revert.do_revert",
    "settings.engine.revert.finish_revert", "settings.engine.upgrade.apply_upgrade",
    "settings.engine.upgrade.make_accounts",
    "settings.accounts.sysusers.place", "settings.accounts.sysusers.run_sysusers",
    "settings.kit.placing.place_file", "settings.modules.depmod.rebuild",
    "settings.placed.tmpfiles.create", "settings.placed.tmpfiles.remove",
    "settings.selinux.selinux_labels.kept", "settings.selinux.selinux_labels.restore",
    "settings.services.running_units.bring", "settings.services.running_units.leave",
    "system.entries.write_entry", "system.entries.write_atomic", "system.entries.sync_dir",
    "system.entries.locked", "system.run.run", "system.trees.remove_new",
    "undo.changes.put_back", "undo.journal.begin", "undo.journal.finish", "undo.undoing.undo",
    "undo.live_log.write_deed", "undo.live_log.write_again", "undo.snapshot",
)
# Python modules that a plan does not need.
PYTHON_WRITERS = ("fileinput", "shutil", "subprocess", "tempfile")
# Functions of ``os`` and methods of a path that write. A string has a ``replace`` too, so
# that name counts for ``os`` only.
OS_WRITERS = frozenset((
    "chmod", "chown", "fchmod", "fchown", "ftruncate", "lchown", "link", "makedirs", "mkdir",
    "mkfifo", "mknod", "open", "remove", "removedirs", "removexattr", "rename", "renames",
    "replace", "rmdir", "setxattr", "symlink", "system", "truncate", "unlink", "utime", "write"))
PATH_WRITERS = frozenset((
    "chmod", "hardlink_to", "lchmod", "link_to", "mkdir", "rename", "rmdir", "symlink_to",
    "touch", "unlink", "write", "write_bytes", "write_text", "writelines"))
# Methods of the library's own objects that write: of kinds of setting and of a session.
OWN_WRITERS = frozenset(("apply", "bring", "exclusive", "leave", "rebuild_without", "run"))

# These bundles cannot be installed with the others: they are refused, or obsolete another.
SEPARATE = ("needs-libvirt-2.0", "obsoleter-1.0")
# Folders to which dnf itself writes in each run: its log, cache and history, rpm's database.
DNF_WRITES = ("var/log", "var/cache", "usr/share/dnf", "usr/share/rpm")


def imported_names(tree: ast.Module, module: str) -> Dict[str, str]:
    """Map each imported name of a module to its dotted name."""
    names: Dict[str, str] = {}
    parts = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom):
            base = parts[:len(parts) - node.level] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                names[alias.asname or alias.name] = ".".join([*base, alias.name])
    return names


def used_names(tree: ast.Module, names: Dict[str, str]) -> Iterator[Tuple[int, str]]:
    """Yield the line and dotted name of each import and of each use of an imported name."""
    for node in ast.walk(tree):
        parts: List[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in names:
            yield inner.lineno, ".".join([names[inner.id], *parts])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield node.lineno, names[alias.asname or alias.name.partition(".")[0]]


def writing_call(node: ast.Call) -> str:
    """Return the name of the called function if the call writes, else an empty text."""
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if isinstance(node.func, ast.Attribute) and name in PATH_WRITERS | OWN_WRITERS:
        return name
    if name == "open":
        position = 1 if isinstance(node.func, ast.Name) else 0
        modes = [*node.args[position:position + 1],
                 *(word.value for word in node.keywords if word.arg == "mode")]
        if any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+")
               for mode in modes):
            return name
    return ""


def writers_in(text: str, module: str) -> List[str]:
    """Return one line for each import, name or call of a module that writes or could write."""
    tree = ast.parse(text)
    names = imported_names(tree, f"ovirt_node_plugin.{module}")
    writers = set()
    for line, name in used_names(tree, names):
        library_name = name[len(SELF):] if name.startswith(SELF) else ""
        if library_name and any(
                f"{library_name}.".startswith(f"{writer}.") for writer in LIBRARY_WRITERS):
            writers.add((line, library_name))
        elif name.partition(".")[0] in PYTHON_WRITERS or (
                name.startswith("os.") and name[len("os."):] in OS_WRITERS):
            writers.add((line, name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and writing_call(node):
            writers.add((node.lineno, writing_call(node)))
    return [f"{module}:{line}: {name}" for line, name in sorted(writers)]


def test_no_module_of_the_plan_imports_or_calls_a_writer() -> None:
    files = sorted((LIBRARY / PLAN.replace(".", "/")).rglob("*.py"))
    assert {"solving", "conflicts", "leaving_out", "preview"} <= {file.stem for file in files}
    assert [line for file in files
            for line in writers_in(file.read_text(encoding="utf-8"), f"{PLAN}.{file.stem}")] == []


@pytest.mark.parametrize("name", LIBRARY_WRITERS)
def test_each_listed_writer_exists(name: str) -> None:
    try:
        importlib.import_module(SELF + name)
    except ModuleNotFoundError:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(SELF + module), function))


@pytest.mark.parametrize("text, expected", [
    ("from ...undo import journal\nx = journal.pending\n", []),
    ("from ...undo import journal\njournal.begin(root, intent, scope)\n",
     ["2: undo.journal.begin"]),
    ("from ...undo.journal import begin as start\n", ["1: undo.journal.begin"]),
    ("from ..apply import change\n", ["1: operations.apply.change"]),
    ("from ...settings.engine import upgrade\nstart = upgrade.apply_upgrade\n",
     ["2: settings.engine.upgrade.apply_upgrade"]),
    ("def f():\n    from ...registry import store\n    store.save(root, record, manifest)\n",
     ["3: registry.store.save"]),
    ("import ovirt_node_plugin.undo.snapshot\n", ["1: undo.snapshot"]),
    ("import os\nos.lstat(path)\nos.replace(path, other)\n", ["3: os.replace"]),
    ("from os import unlink\n", ["1: os.unlink"]),
    ("import shutil\n", ["1: shutil"]),
    ("from ...settings.modules import depmod\ndepmod.rebuild(version, ctx)\n",
     ["2: settings.modules.depmod.rebuild"]),
    ("session.run(())\nKINDS['a'].apply(wanted, ctx)\n", ["1: run", "2: apply"]),
    ("open(path)\nopen(path, 'rb')\npath.open()\nname.replace('a', 'b')\n", []),
    ("open(path, 'w')\npath.open('ab')\nopen(path, mode='r+')\npath.write_text('x')\n",
     ["1: open", "2: open", "3: open", "4: write_text"]),
])
def test_writers_in_a_module_are_detected(text: str, expected: Sequence[str]) -> None:
    assert writers_in(text, f"{PLAN}.made_up") == [f"{PLAN}.made_up:{line}" for line in expected]


class ReadOnlyComparison:
    """Compares plans on a writable root with plans on the same root mounted read-only.

    The folders that dnf itself writes to stay writable. So does the top folder of the root,
    since ``dnf node-plugin`` refuses a root that is mounted read-only; its state is compared
    instead.
    """

    def __init__(self, dnf: Dnf, root: Path) -> None:
        self._dnf, self._root, self._prefix = dnf, root, dnf.prefix

    def plan(self, *words: object) -> Answer:
        """Assert that dry runs on both roots have the same answer, and return it."""
        expected = self._status_and_document(
            self._dnf.plugin(self._root, *words, "--dry-run", "--json"))
        before = tree_state(self._root)
        self._dnf.prefix = ("unshare", "--mount", "--propagation", "slave", "sh", "-ec",
                            self._script(), "sh", *self._prefix)
        try:
            answer = self._dnf.plugin(self._root, *words, "--dry-run", "--json")
        finally:
            self._dnf.prefix = self._prefix
        assert self._status_and_document(answer) == expected
        assert state_differences(before, tree_state(self._root)) == []
        return answer

    def _script(self) -> str:
        """Return the shell text that mounts the root read-only and then runs its arguments."""
        lines = [f"mount --bind {self._root}/{name} {self._root}/{name}" for name in DNF_WRITES]
        lines += [f"mount --rbind {path} {path}; mount -o remount,ro,bind {path}"
                  for path in sorted(self._root.iterdir())
                  if path.is_dir() and not path.is_symlink()]
        lines += [f"if touch {self._root}/{name}/x 2>/dev/null; then exit 99; fi"
                  for name in ("etc", "usr", "var")]
        return "\n".join([*lines, 'exec "$@"'])

    @staticmethod
    def _status_and_document(answer: Answer) -> Tuple[int, Dict[str, Any]]:
        document: Dict[str, Any] = dict(answer.json)
        document.pop("space", None)  # other processes change the free space
        return answer.status, document


@pytest.fixture
def comparison(dnf: Dnf, node: Path, tmp_path: Path) -> ReadOnlyComparison:
    dnf.prefix = at_home(tmp_path / "home")
    for name in DNF_WRITES:
        (node / name).mkdir(exist_ok=True, parents=True)
    return ReadOnlyComparison(dnf, node)


def test_plans_on_a_read_only_and_on_a_writable_root_are_equal(
        comparison: ReadOnlyComparison, dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    bundles = sorted(path for path in (built.folder / "plugins").iterdir() if path.is_dir())
    together = [path for path in bundles if path.name not in (*SEPARATE, "agent-1.1")]
    install = ("install", "--enablerepo=tworepos-extra")
    answer = comparison.plan(*install, *together)
    assert answer.status == 0, answer.text
    assert len(answer.json["plugins"]) == len(together)
    for path in bundles:
        if path not in together:
            assert comparison.plan(*install, path).json
    built_names = ("agent", "cim", "storage")
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", *map(built.bundle, built_names))
    assert answer.status == 0, answer.text
    answer = comparison.plan("install", built.bundle("agent", "1.1"))
    assert [plugin["action"] for plugin in answer.json["plugins"]] == ["upgrade"]
    answer = comparison.plan("remove", *built_names)
    assert len(answer.json["plugins"]) == len(built_names)

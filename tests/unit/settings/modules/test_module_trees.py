"""Where the module trees of a root are, and what of them a journal saves."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.settings.modules import module_index, module_trees

pytestmark = [pytest.mark.unit]

FIRST, SECOND, FOREIGN = "5.14.0-1.el9.x86_64", "5.14.0-2.el9.x86_64", "5.14.0-0.el9.x86_64"


@pytest.fixture(params=["usr-merged", "two-folders", "absolute-link"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A root with two kernels and one tree without a kernel."""
    root = tmp_path / "root"
    places = {SECOND: "usr/lib/modules", FIRST: "usr/lib/modules", FOREIGN: "usr/lib/modules"}
    root.mkdir()
    if request.param == "usr-merged":
        (root / "lib").symlink_to("usr/lib")
    elif request.param == "two-folders":
        places[SECOND] = "lib/modules"
    else:
        (root / "lib").symlink_to("/usr/lib")
    for version, place in places.items():
        for name in ("extra", "veritas", "vdso"):
            (root / place / version / name).mkdir(parents=True)
        (root / place / version / "build").symlink_to(f"/usr/src/kernels/{version}")
        (root / place / version / "modules.dep").touch()
        if version != FOREIGN:
            (root / place / version / "kernel/drivers").mkdir(parents=True)
    return root


def test_every_tree_is_found_once(root: Path) -> None:
    assert list(module_trees.trees(root)) == [FOREIGN, FIRST, SECOND]
    assert list(module_trees.kernels(root)) == [FIRST, SECOND]
    places = module_trees.folders(root)
    for version, tree in module_trees.trees(root).items():
        assert (root / tree / "modules.dep").is_file()
        assert module_trees.version_of(f"{tree}/extra/a.ko", places) == version
        assert module_trees.version_of(tree, places) == ""


def test_a_journal_saves_the_index_and_added_modules_of_every_kernel(root: Path) -> None:
    scope = module_trees.tree_scope(root, ["/opt/acme/file", "/usr/lib/modules-load.d/x.conf"])
    assert scope.bare == module_trees.folders(root)
    assert sorted(scope.trees) == sorted(f"{tree}/{name}" for tree in module_trees.trees(
        root).values() for name in ("extra", "modules.dep", "veritas"))


@pytest.mark.parametrize("folder", ["/lib/modules", "/usr/lib/modules"])
def test_a_journal_saves_all_if_packages_bring_modules(root: Path, folder: str) -> None:
    scope = module_trees.tree_scope(root, [f"{folder}/{FOREIGN}/extra/acme.ko"])
    assert scope.trees == module_trees.folders(root)
    assert module_trees.tree_scope(root, [], whole=True) == scope


def test_a_folder_that_leads_elsewhere_is_no_module_tree(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    for target in ("/", "../../../outside", "/nothing"):
        (root / "usr/lib/modules").symlink_to(target)
        assert module_trees.folders(root) == ()
        (root / "usr/lib/modules").unlink()


def test_a_link_is_no_module_tree(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside/kernel").mkdir(parents=True)
    (root / "usr/lib/modules/5.14.0-9.el9.x86_64").symlink_to(tmp_path / "outside")
    assert list(module_trees.kernels(root)) == [FIRST, SECOND]


@pytest.mark.parametrize(("path", "covered"), [
    ("modules.dep", True), ("weak-updates/acme/acme.ko", True), ("weak-updates", True),
    ("extra/acme.ko", False), ("extra/modules.dep", False), ("kernel/weak-updates/a.ko", False)])
def test_the_index_consists_of_its_files_and_the_links(path: str, covered: bool) -> None:
    assert module_index.covers(f"usr/lib/modules/{FIRST}/{path}", FIRST) is covered

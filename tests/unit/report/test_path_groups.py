"""Paths grouped into a limited number of lines that cover all of them."""
from __future__ import annotations

from typing import Iterable, List, Tuple

import pytest

from ovirt_node_plugin.compare.trees import Difference
from ovirt_node_plugin.report.path_groups import group_paths

pytestmark = pytest.mark.unit


def lines(paths: Iterable[str], most: int, kind: str = "changed") -> List[Tuple[str, int]]:
    """Return the path and the number of entries below it for each line."""
    groups = group_paths([Difference(path, kind) for path in paths], most)
    assert sum(group.below + (group.entry is not None) for group in groups) == len(list(paths))
    return [(group.path, group.below) for group in groups]


def test_few_paths_are_listed_one_by_one() -> None:
    paths = [".", "etc", "etc/a/b", "etc/a.b", "usr/x"]
    assert lines(paths, 5) == [(".", 0), ("etc", 0), ("etc/a.b", 0), ("etc/a/b", 0), ("usr/x", 0)]
    assert lines([], 5) == []


def test_the_largest_folders_are_expanded_first() -> None:
    paths = [*(f"usr/lib/{n}/x" for n in range(3)), *(f"usr/share/{n}" for n in range(9)),
             "etc/a/1", "etc/a/2"]
    assert lines(paths, 5) == [("etc/a", 2), ("usr/lib/0/x", 0), ("usr/lib/1/x", 0),
                               ("usr/lib/2/x", 0), ("usr/share", 9)]
    assert lines(paths, 3) == [("etc/a", 2), ("usr/lib", 3), ("usr/share", 9)]
    assert lines(paths, 2) == [("etc/a", 2), ("usr", 12)]
    assert lines(paths, 1) == [(".", 14)]


def test_a_chain_of_single_folders_takes_one_line() -> None:
    assert lines([f"a/b/c/d/{n}" for n in range(50)], 40) == [("a/b/c/d", 50)]


def test_a_folder_that_changed_itself_has_a_line_of_its_own() -> None:
    paths = ["a", *(f"a/b/{n}" for n in range(50))]
    assert lines(paths, 40) == [("a", 0), ("a/b", 50)]
    assert lines(paths, 1) == [("a", 50)]


@pytest.mark.parametrize("kind", ["added", "removed"])
def test_an_added_or_removed_folder_includes_its_entries(kind: str) -> None:
    small, large = ["opt/a", "opt/a/1"], ["usr/b", *(f"usr/b/{n}" for n in range(30))]
    assert lines([*small, *large], 40, kind) == [("opt/a", 0), ("opt/a/1", 0), ("usr/b", 30)]
    assert lines([*small, *large], 2, kind) == [("opt/a", 1), ("usr/b", 30)]


def test_the_number_of_lines_never_exceeds_the_limit() -> None:
    paths = sorted(f"{a}/{a * b}/{c}" for a in range(7) for b in range(9) for c in range(b))
    for most in range(1, len(set(paths)) + 2):
        assert len(lines(sorted(set(paths)), most)) <= most


def test_deep_paths_need_no_recursion() -> None:
    path = "/".join(["x"] * 5000)
    assert lines([path], 3) == [(path, 0)]

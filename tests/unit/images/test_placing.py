"""Several outputs appear together or not at all."""
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, List

import pytest

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.images import workspace
from ovirt_node_plugin.images.workspace import Destination

pytestmark = pytest.mark.unit

NAMES = ("a.iso", "b.rpm", "c.img")


@contextlib.contextmanager
def written(folder: Path, *, replace: bool = False) -> Iterator[List[Destination]]:
    """Yield destinations whose targets are written, one of which is a folder."""
    with contextlib.ExitStack() as stack:
        destinations = [stack.enter_context(workspace.destination(folder / name, replace=replace))
                        for name in NAMES]
        for place in destinations[:-1]:
            place.target.write_text("new")
        destinations[-1].target.mkdir()
        yield destinations


def contents(folder: Path) -> List[str]:
    """Return the entries of ``folder``, files with their text."""
    return [f"{path.name} {path.read_text() if path.is_file() else 'folder'}"
            for path in sorted(folder.iterdir())]


def test_all_are_placed(tmp_path: Path) -> None:
    (tmp_path / "a.iso").write_text("old")
    with written(tmp_path, replace=True) as destinations:
        workspace.place_all(destinations)
        workspace.take_back_some(destinations)
        assert all(place.placed for place in destinations)
    assert contents(tmp_path) == ["a.iso new", "b.rpm new", "c.img folder"]


@pytest.mark.parametrize("number", range(3))
def test_a_failure_takes_back_those_that_were_placed(number: int, tmp_path: Path) -> None:
    before = []
    with written(tmp_path) as destinations:
        (tmp_path / NAMES[number]).write_text("other")  # by another process
        before = [f"{NAMES[number]} other"]
        with pytest.raises(NodePluginError, match="was created by another process meanwhile"):
            workspace.place_all(destinations)
        workspace.take_back_some(destinations)
        assert not any(place.placed for place in destinations)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [1, 2])
def test_an_interruption_restores_what_was_replaced(number: int, tmp_path: Path) -> None:
    for name in NAMES[:2]:
        (tmp_path / name).write_text("old")
    with written(tmp_path, replace=True) as destinations:
        for place in destinations:
            place.prepare(keep_replaced=True)
        for place in destinations[:number]:
            place.rename()
        workspace.take_back_some(destinations)
    assert contents(tmp_path) == ["a.iso old", "b.rpm old"]


def test_a_failure_restores_what_was_replaced(tmp_path: Path) -> None:
    """The last output is a folder, which cannot replace a file."""
    for name in NAMES:
        (tmp_path / name).write_text("old")
    with written(tmp_path, replace=True) as destinations:
        with pytest.raises(NotADirectoryError):
            workspace.place_all(destinations)
        workspace.take_back_some(destinations)
    assert contents(tmp_path) == ["a.iso old", "b.rpm old", "c.img old"]


def test_an_output_of_another_process_is_not_taken_back(tmp_path: Path) -> None:
    """The first image needed no output."""
    with written(tmp_path) as destinations:
        destinations[0].target.unlink()
        (tmp_path / "a.iso").write_text("other")
        workspace.take_back_some(destinations)
    assert contents(tmp_path) == ["a.iso other"]

"""Group paths by folder, so that many differences fit on few lines."""
from __future__ import annotations

import heapq
import os
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence

from ..compare.trees import CHANGED, Difference


@dataclass(frozen=True)
class PathGroup:
    """One line: an entry, a folder that holds others, or both.

    ``path`` is relative to the root, which is ``.``. ``entry`` is the difference of the
    path itself, None if only paths below it differ. ``below`` is the number of paths below it
    that this line stands for.
    """

    path: str
    entry: Optional[Difference]
    below: int


_MOST_APART = 10  # entries of a folder that was added or removed whole


class _PathNode:
    """A path and the nodes below it by name. ``count`` is the number of differences in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entry: Optional[Difference] = None
        self.count = 0
        self.nodes: Dict[str, _PathNode] = {}

    @property
    def is_whole(self) -> bool:
        """Return whether one line is enough: for one entry, or a folder added or removed whole."""
        return self.entry is not None and (not self.nodes or self.entry.kind != CHANGED)

    def group(self) -> PathGroup:
        return PathGroup(self.path, self.entry, self.count - (self.entry is not None))

    def entries(self) -> Iterator[PathGroup]:
        """Yield a group for every entry."""
        todo = [self]
        while todo:
            node = todo.pop()
            todo += node.nodes.values()
            if node.entry is not None:
                yield PathGroup(node.path, node.entry, 0)


def group_paths(differences: Sequence[Difference], most: int) -> List[PathGroup]:
    """Return at most ``most`` lines for differences of one kind, sorted by path.

    Folders with the most differences are expanded first, as long as the lines suffice. Then
    folders that were added or removed whole are expanded, the smallest first.
    """
    lines: List[PathGroup] = []
    whole: List[_PathNode] = []
    top = _tree(differences)
    todo = [(-top.count, top.path, top)] if differences else []
    while todo:
        _, _, node = heapq.heappop(todo)
        apart = len(node.nodes) + (node.entry is not None)
        if node.is_whole:
            whole.append(node)
        elif len(lines) + len(whole) + len(todo) + apart > most:
            lines.append(node.group())
        else:
            if node.entry is not None:
                lines.append(PathGroup(node.path, node.entry, 0))
            for part in node.nodes.values():
                heapq.heappush(todo, (-part.count, part.path, part))
    room = most - len(lines) - len(whole)
    for node in sorted(whole, key=lambda node: (node.count, node.path)):
        fits = node.count - 1 <= min(room, _MOST_APART)
        lines += node.entries() if fits else [node.group()]
        room -= node.count - 1 if fits else 0
    return sorted(lines, key=lambda line: os.fsencode(line.path))


def _tree(differences: Sequence[Difference]) -> _PathNode:
    top = _PathNode(".")
    for difference in differences:
        top.count += 1
        node = top
        for name in difference.path.split("/") if difference.path != "." else ():
            below = node.nodes.get(name)
            if below is None:
                below = _PathNode(name if node is top else f"{node.path}/{name}")
                node.nodes[name] = below
            below.count += 1
            node = below
        node.entry = difference
    return top

"""The names that messages of the program use for the temporary paths of a run."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Mapping, Tuple

from ..system.json_data import Data

# Folders of a run below which the path of a file in an image, or in a bundle, begins
_INSIDE = re.compile(r"(?:/[^/]+)*?/(?:outer|root|bundle|(?:tried|changed)/[^/]+)(?:/|$)(.*)")
_END = r"(?![^\s'\",:;()])"  # the end of a path in a text


class ShownPaths:
    """Replaces the temporary paths of a run in texts by names that its reader knows.

    ``image`` is the image, absolute, and ``others`` are further ones by the names of their
    folders in the work folder. The root of an image is called as the image, and a path in it
    begins with a slash.
    """

    def __init__(self, image: str, others: Mapping[str, str]) -> None:
        self._image = image
        self._others = dict(others)
        self._names: Dict[str, str] = {}
        self._folders: List[Tuple[str, str]] = []

    def add_images(self, images: Mapping[str, str]) -> None:
        """Add further images by the names of their folders in the work folder."""
        self._others.update(images)

    def name(self, paths: Iterable[Tuple[str, str]]) -> None:
        """Use for each path, the first of a pair, the second."""
        self._names.update(paths)

    def add_folder(self, folder: Path, parent: Path) -> None:
        """Replace paths in the temporary ``folder``, and the folder itself by ``parent``."""
        self._folders.append((str(folder), str(parent)))

    def text(self, text: str) -> str:
        """Return ``text`` with the names."""
        for path, name in sorted(self._names.items(), key=lambda pair: -len(pair[0])):
            text = re.sub(re.escape(path) + _END, lambda _: name, text)  # noqa: B023
        for folder, parent in self._folders:
            text = re.sub(rf"{re.escape(folder)}((?:/[^\s'\",:;()]+)*)/?",
                          self._named(parent), text)
        return text

    def data(self, data: Data) -> Data:
        """Return JSON data with the names in each text."""
        return {key: self._value(value) for key, value in data.items()}

    def _value(self, value: object) -> object:
        if isinstance(value, dict):
            return self.data(value)
        if isinstance(value, (list, tuple)):
            return list(map(self._value, value))
        return self.text(value) if isinstance(value, str) else value

    def _named(self, parent: str) -> "Callable[[re.Match[str]], str]":
        def named(match: "re.Match[str]") -> str:
            place = match.group(1)
            if not place:
                return parent
            inside = _INSIDE.match(place)
            if inside is None:
                return place.rpartition("/")[2]
            image = self._others.get(place.split("/")[1], self._image)
            return f"/{inside.group(1)}" if inside.group(1) else image
        return named

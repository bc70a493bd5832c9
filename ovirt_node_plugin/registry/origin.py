"""The origin of a plugin, by which another vendor's plugin of the same name is detected."""
from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Origin:
    """Who made a plugin, and where it came from.

    ``vendor`` is as in the descriptor. ``keys`` are the ids of the keys that signed the
    packages from its own repositories, sorted; there are none unless each of these packages
    was signed and its signature is checked. ``location`` is the URL of the repository whose
    metadata has the descriptor, or the folder that contains the bundle.
    """

    vendor: str
    keys: Tuple[str, ...]
    location: str

    def accepts(self, new: Origin) -> bool:
        """Return whether ``new``, the origin of another version, is that of the same vendor.

        The keys decide; without keys, vendor and location do, which anybody can imitate.
        """
        if self.keys:
            return bool(new.keys) and set(new.keys) <= set(self.keys)
        return (self.vendor, self.location) == (new.vendor, new.location)

    def text(self, key_texts: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return it as words for people; ``key_texts`` are texts for some of the keys."""
        keys = (f"signed by {', '.join(key_texts.get(key, key) for key in self.keys)}" if self.keys
                else "without checked signatures")
        return f"{self.vendor or 'an unnamed vendor'}, {keys}, from {self.location}"

"""One property of an object that is not what was recorded or wanted."""
from __future__ import annotations

from dataclasses import dataclass

PRESENT = "present"


@dataclass(frozen=True)
class PropertyDifference:
    """What a property ``was`` and what it is, both as text.

    ``what`` names the property, such as ``mode`` or ``value``; dnf-node-plugin(8) lists the names
    and the form of their values. A text is empty if it is not known. ``is_`` is ``is`` in JSON.
    """

    what: str
    was: str
    is_: str


MISSING = PropertyDifference(PRESENT, "yes", "no")
"""The difference of what is missing."""
UNEXPECTED = PropertyDifference(PRESENT, "no", "yes")
"""The difference of what should not be there."""

"""Where the settings of a descriptor are in its file."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Tuple

from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, When, descriptor_document
from ...plugin.settings import Setting
from ...system.xml import XmlElement
from .findings import LintFinding

_Place = Tuple[int, int]


@dataclass(frozen=True)
class Places:
    """The settings in document order, those with a condition too, with line and column."""

    items: Tuple[Tuple[Setting, _Place], ...]

    def placed(self, finding: LintFinding, item: Optional[Setting]) -> LintFinding:
        """Return ``finding`` at the place of ``item``, if that is a setting of the descriptor."""
        for setting, (line, column) in self.items:
            if setting is item:
                return replace(finding, line=line, column=column)
        return finding


def of(descriptor: Descriptor) -> Places:
    """Return the places of the settings of a descriptor."""
    root = descriptor_document(descriptor.source_xml, origin=DESCRIPTOR_NAME).root
    settings = root.first("settings")
    nodes: List[XmlElement] = []
    for node in settings.children if settings is not None else ():
        nodes += node.children if node.tag == "when" else (node,)
    items = [setting for item in descriptor.settings
             for setting in (item.settings if isinstance(item, When) else (item,))]
    return Places(tuple((item, (node.line, node.column)) for item, node in zip(items, nodes)))

"""The elements of settings, by the schema of the descriptor and of settings in tests."""
from __future__ import annotations

import re
from typing import FrozenSet, Iterable
from xml.etree import ElementTree

from ovirt_node_plugin.plugin.settings import PlacedFile, Setting

from .dnf_runner import TOP

_SCHEMA = TOP / "ovirt_node_plugin/schema/node-plugin.rng"
_NAMESPACE = {"r": "http://relaxng.org/ns/structure/1.0"}


def schema_elements() -> FrozenSet[str]:
    """Return the name of the element of every kind of setting."""
    schema = ElementTree.parse(_SCHEMA)
    refs = schema.findall("r:define[@name='any-setting']/r:choice/r:ref", _NAMESPACE)
    return frozenset(ref.attrib["name"] for ref in refs)


def elements_of(settings: Iterable[Setting]) -> FrozenSet[str]:
    """Return the names of the elements of ``settings``."""
    return frozenset(
        setting.element if isinstance(setting, PlacedFile)
        else re.sub("(?<=.)(?=[A-Z])", "-", type(setting).__name__).lower()
        for setting in settings)

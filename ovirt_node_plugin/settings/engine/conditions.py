"""Conditions: settings that are wanted only in some roots."""
from __future__ import annotations

from typing import Iterator, List, Tuple

from ...plugin.descriptor import Descriptor, When
from ...plugin.settings import Setting
from ..kit.model import Facts


def split(descriptor: Descriptor, facts: Facts,
          ) -> Tuple[Tuple[Setting, ...], Tuple[Tuple[Setting, str], ...]]:
    """Return the settings whose conditions are met, and the others, each with the reason.

    Both are in the document's order. A reason reads ``only on a host``.
    """
    met: List[Setting] = []
    left: List[Tuple[Setting, str]] = []
    for item in descriptor.settings:
        if not isinstance(item, When):
            met.append(item)
            continue
        reasons = list(_unmet(item, facts))
        if reasons:
            left.extend((setting, "only " + " and ".join(reasons)) for setting in item.settings)
        else:
            met.extend(item.settings)
    return tuple(met), tuple(left)


def _unmet(when: When, facts: Facts) -> Iterator[str]:
    """Yield each part of a condition that is not so, as what it asks for."""
    if when.target and when.target != facts.kind:
        yield f"on a {when.target}"
    if when.archs and facts.arch not in when.archs:
        yield f"on {' or '.join(when.archs)}"
    # the version of a host is not that of a Node
    version = [facts.version] if facts.kind == "node" and facts.version else []
    if when.node_versions and not any(one in when.node_versions for one in version):
        yield f"on oVirt Node {when.node_versions}"
    if when.package and not any(one in when.package_versions
                                for one in facts.versions(when.package)):
        yield f"with {when.package} {when.package_versions}".rstrip()

"""Module streams of core packages that a run switches, enables or disables."""
from __future__ import annotations

from typing import Dict, List, Set, Tuple

import dnf.base
import hawkey

from ..policy.core_rules import CoreRules
from .dnf_types import DnfBase, DnfModules


def changes(base: DnfBase, rules: CoreRules) -> List[str]:
    """Return a line for each module state of ``base`` that changes where core packages come from.

    A stream concerns them if it, or the one before it, holds a package that has
    the name of a core package. The list is empty where DNF is built without modules.
    """
    if not getattr(dnf.base, "WITH_MODULES", True) or not base._moduleContainer.isChanged():
        return []
    container = base._moduleContainer
    states: Dict[str, Tuple[str, Set[str]]] = {}
    for name, stream in container.getEnabledStreams().items():
        states[name] = (f"enable module {name}:{stream}", {stream})
    for name, (old, new) in container.getSwitchedStreams().items():
        states[name] = (f"switch module {name} from stream {old} to {new}", {old, new})
    for verb, names in (("disable", container.getDisabledModules()),
                        ("reset", container.getResetModules())):
        for name in names:
            states[name] = (f"{verb} module {name}", set())
    lines: List[str] = []
    for name, (text, streams) in sorted(states.items()):
        core = sorted(_packages(container, name, streams) & _core_names(base, rules))
        if core:
            lines.append(f"{text}: it holds {', '.join(core)}")
    return lines


def _packages(container: DnfModules, name: str, streams: Set[str]) -> Set[str]:
    """Return the names of the packages in the ``streams`` of a module, in all of them if none."""
    names: Set[str] = set()
    for module in container.query(name, "", "", "", ""):
        if not streams or module.getStream() in streams:
            names.update(hawkey.split_nevra(artifact).name for artifact in module.getArtifacts())
    return names


def _core_names(base: DnfBase, rules: CoreRules) -> Set[str]:
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).installed()
    return {package.name for package in query if rules.is_core(package)}

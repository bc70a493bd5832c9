"""Module streams that a run switches, enables or disables under core packages."""
from __future__ import annotations

from typing import Any, Dict, List, Set, Tuple

import dnf.base
import hawkey

from ..policy.core_rules import CoreRules


def changes(base: Any, rules: CoreRules) -> List[str]:
    """Return a line for each module state of ``base`` that changes where core packages come from.

    A stream concerns them if it, or the one before it, holds a package that has
    the name of a core package. Nothing is found where DNF is built without modules.
    """
    if not getattr(dnf.base, "WITH_MODULES", True) or not base._moduleContainer.isChanged():
        return []
    container = base._moduleContainer
    states: Dict[str, Tuple[str, Set[str]]] = {}
    for name, stream in dict(container.getEnabledStreams()).items():
        states[name] = (f"enable module {name}:{stream}", {stream})
    for name, (old, new) in dict(container.getSwitchedStreams()).items():
        states[name] = (f"switch module {name} from stream {old} to {new}", {old, new})
    for verb, names in (("disable", container.getDisabledModules()),
                        ("reset", container.getResetModules())):
        for name in names:
            states[name] = (f"{verb} module {name}", set())
    found: List[str] = []
    for name, (text, streams) in sorted(states.items()):
        core = sorted(_packages(container, name, streams) & _core_names(base, rules))
        if core:
            found.append(f"{text}: it holds {', '.join(core)}")
    return found


def _packages(container: Any, name: str, streams: Set[str]) -> Set[str]:
    """Return the names of the packages in the ``streams`` of a module, in all of them if none."""
    names: Set[str] = set()
    for module in container.query(name, "", "", "", ""):
        if not streams or module.getStream() in streams:
            names.update(hawkey.split_nevra(artifact).name for artifact in module.getArtifacts())
    return names


def _core_names(base: Any, rules: CoreRules) -> Set[str]:
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).installed()
    return {package.name for package in query if rules.is_core(package)}

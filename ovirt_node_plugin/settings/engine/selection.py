"""The settings that a descriptor asks for in a root: those whose conditions are met."""
from __future__ import annotations

from typing import Dict, Iterable, Iterator, Tuple

from ...errors import Refused
from ...plugin.descriptor import Descriptor, When
from ...plugin.settings import Setting
from ...system.words import first_names
from ..kit.model import Context, Facts, Wanted
from .kinds import DERIVED, KINDS

_MOST_NAMES = 5


def wanted(descriptor: Descriptor, ctx: Context) -> Tuple[Wanted, ...]:
    """Return every setting of a plugin, in the descriptor's order, derived ones last.

    Those whose condition is not met are left out: ``left_out`` returns them.

    Raises Refused if two conditions that are met ask for one thing differently.
    """
    asked: Dict[Tuple[str, str], Wanted] = {}
    for item in _of_kinds(met(descriptor, ctx.facts), ctx):
        first = asked.setdefault((item.kind, item.key), item)
        if first.need and not item.need:
            asked[item.kind, item.key] = item  # in the other's place: it comes before its user
        elif first.value != item.value and not item.need:
            raise Refused(
                f"plugin {ctx.plugin} wants to {first.text} and to {item.text}: both conditions"
                " are met", hint="Its vendor has to make one <when> exclude the other.",
                code="settings/conflict")
    items = list(asked.values())
    for kind in DERIVED.values():
        items.extend(kind.implied(items, ctx))
    return tuple(items)


def left_out(descriptor: Descriptor, ctx: Context) -> Tuple[str, ...]:
    """Return a line for each setting whose condition is not met, with what it asks for.

    The reason reads ``only on a host``.
    """
    return tuple(f"left out: {wanted.text} (only {' and '.join(unmet)})"
                 for when in descriptor.settings if isinstance(when, When)
                 for unmet in [list(_unmet(when, ctx.facts))] if unmet
                 for wanted in _of_kinds(when.settings, ctx))


def unused_files(descriptor: Descriptor) -> Tuple[str, ...]:
    """Return a line about the files of the bundle that no setting names, none without any."""
    settings = (setting for item in descriptor.settings
                for setting in (item.settings if isinstance(item, When) else [item]))
    unused = {*descriptor.files} - {getattr(setting, "source", "") for setting in settings}
    names = first_names(sorted(unused), _MOST_NAMES)
    return (f"no setting uses {names} of the bundle",) if unused else ()


def met(descriptor: Descriptor, facts: Facts) -> Tuple[Setting, ...]:
    """Return the settings whose conditions are met, in the document's order."""
    return tuple(setting for item in descriptor.settings
                 for setting in ([item] if not isinstance(item, When)
                                 else [] if any(_unmet(item, facts)) else item.settings))


def _of_kinds(settings: Iterable[Setting], ctx: Context) -> Iterator[Wanted]:
    for item in settings:
        for kind in KINDS.values():
            yield from kind.wanted(item, ctx)


def _unmet(when: When, facts: Facts) -> Iterator[str]:
    """Yield each part of a condition that is not met, as what it asks for."""
    if when.target and when.target != facts.kind:
        yield f"on a {when.target}"
    if when.archs and facts.arch not in when.archs:
        yield f"on {' or '.join(when.archs)}"
    # the version of a host is not that of a Node
    version = [facts.version] if facts.kind == "node" and facts.version else []
    if when.node_versions and not any(evr in when.node_versions for evr in version):
        yield f"on oVirt Node {when.node_versions}"
    if when.package and not any(evr in when.package_versions
                                for evr in facts.versions(when.package)):
        yield f"with {when.package} {when.package_versions}".rstrip()

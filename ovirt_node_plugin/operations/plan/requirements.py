"""What a plugin requires of a root, such as versions, and the facts about the root."""
from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from ...errors import NeedsNewerImage, NodePluginError, Reasons, Refused, UnmetDependency
from ...packages.session import PackageChange, Session
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Descriptor, PackageNeed, check_tool
from ...policy.path_rules import PathPolicy, PathRule
from ...settings.kit.model import Facts
from ...system import path_sets, read_paths
from ...system.entries import same_entry
from ...system.nevra import name_of
from ...system.paths import is_inside_any, real_places
from ...target import Target
from ...undo.changes import Change
from ..model.books import Books


def facts_of(session: Session, packages: Sequence[PackageChange],
             books: Optional[Books] = None) -> Facts:
    """Return the facts about the root after the changes ``packages``.

    With ``books`` they name the plugin of a package that has a file.
    """
    target, claims = session.target, books.claims if books else {}

    def owner(path: str) -> str:
        for nevra in session.owners(f"/{path}"):
            plugins = ", ".join(claims.get(nevra, ()))
            return f"package {nevra}" + (f" of plugin {plugins}" if plugins else "")
        return ""

    return Facts(kind=target.kind, version=target.version, arch=session.arch,
                 versions=lambda name: session.versions_after(name, packages), owner=owner)


def check_before(bundle: Bundle, session: Session) -> None:
    """Check what is known before the solve: versions of this tool, of Node, of core packages.

    Versions of Node and of core packages are checked on a node only, where they do not change.
    Raises BadBundle, NeedsNewerImage or UnmetDependency, or SeveralReasons.
    """
    descriptor, target, reasons = bundle.descriptor, session.target, Reasons()
    with reasons.collected():
        check_tool(descriptor)
    if target.is_node:
        with reasons.collected():
            check_node(descriptor, target)
        core = set(map(name_of, session.core_packages())) if descriptor.needs else set()
        with reasons.collected():
            _check_needs(bundle, [need for need in descriptor.needs if need.name in core],
                         session, ())
    reasons.raise_any()


def check_after(bundle: Bundle, session: Session, packages: Sequence[PackageChange]) -> None:
    """Check that the packages required by a descriptor are installed after the transaction.

    Raises NeedsNewerImage for a core package that is too old, else UnmetDependency, or
    SeveralReasons.
    """
    _check_needs(bundle, bundle.descriptor.needs, session, packages)


def check_node(descriptor: Descriptor, target: Target) -> None:
    """Raise NeedsNewerImage or UnmetDependency if a plugin is not made for the Node of a root."""
    title = f"plugin {descriptor.name} {descriptor.version}"
    if not descriptor.node_versions:
        return
    if not target.version:
        raise UnmetDependency(
            f"{title} cannot go into {target.name}: it is made for certain versions of"
            " oVirt Node.", hint="The image tells its version neither by VARIANT or"
            " PRETTY_NAME in its os-release nor in /usr/share/imgbase/build/meta/nvr: find"
            " out who made it.")
    if descriptor.node_versions.is_above(target.version):
        raise NeedsNewerImage(
            f"{title} cannot go into {target.name}: it needs oVirt Node"
            f" {descriptor.node_versions.least} or newer.", hint="You need a newer Node ISO.")
    if descriptor.node_versions.is_below(target.version):
        raise UnmetDependency(
            f"{title} cannot go into {target.name}: it is made for oVirt Node up to"
            f" {descriptor.node_versions.most}.",
            hint="Ask its vendor for a version for this Node.")


def _check_needs(bundle: Bundle, needs: Sequence[PackageNeed], session: Session,
                 packages: Sequence[PackageChange]) -> None:
    reasons = Reasons()
    for need in needs:
        versions = session.versions_after(need.name, packages)
        if not any(version in need.versions for version in versions):
            with reasons.collected():
                raise _unmet(bundle, need, versions, session)
    reasons.raise_any()


def check_effects(effects: Sequence[Change], root: Path) -> None:
    """Raise Refused if a scriptlet changed the configuration of DNF or of this tool in ``root``.

    The states of DNF's modules may change.
    """
    policy = PathPolicy([PathRule(path, False) for path in
                         read_paths.paths_of(read_paths.CONFIGURING)], root=root)
    states = real_places(root, (path_sets.DNF_MODULES,))
    for change in effects:
        folder = change.after is None or change.after.kind == "dir"
        if (not same_entry(change.before, change.after)
                and policy.deciding(change.path, folder=folder) is not None
                and not is_inside_any(change.path, states)):
            raise Refused(f"a scriptlet or tmpfiles of a package changed /{change.path}, which is"
                          " the configuration of DNF or of this tool",
                          hint="Do not install it; ask its vendor.")


def check_mode(target: Target, *, image_mode: bool) -> None:
    """Raise Refused if the root was in image mode at the plan and is not now, or the reverse.

    Settings would be written to other places than the plan says.
    """
    if target.image_mode != image_mode:
        text = "is no longer in image mode" if image_mode else "is in image mode now"
        raise Refused(f"{target.root} {text}: a package or scriptlet changed /usr/lib/bootc or"
                      " /usr/lib/ostree",
                      hint="Install the package that does so before the plugin, if that is meant.")


def _unmet(bundle: Bundle, need: PackageNeed, versions: List[str],
           session: Session) -> NodePluginError:
    descriptor, target = bundle.descriptor, session.target
    has = f"has {need.name}-{versions[0]}" if versions else f"has no {need.name}"
    text = (f"plugin {descriptor.name} {descriptor.version} cannot go into {target.name}: its"
            f" descriptor needs {need.name} {need.versions}".rstrip() + f"; the root {has}.")
    too_old = versions and need.versions.is_above(versions[0])
    if too_old and (target.is_node or session.policy.rules.named(need.name)):
        hint = ("You need a newer Node ISO." if target.is_node
                else f"Update {need.name} first: dnf upgrade {need.name}")
        return NeedsNewerImage(text, hint=hint, packages=[f"{need.name}-{need.versions.least}"])
    return UnmetDependency(text, hint=f"Make {need.name} available, or ask the plugin's vendor.")

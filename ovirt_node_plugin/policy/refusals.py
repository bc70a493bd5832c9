"""The refusals of transactions and their messages, for DNF 4 and DNF 5."""
from __future__ import annotations

from typing import Collection, Dict, List, Sequence

from ..errors import NeedsNewerImage, Refused
from ..registry import store
from ..target import Target, is_read_only
from ..undo import journal
from .core_rules import CoreChange

TAKES_AWAY = ("remove", "obsolete", "replace", "reinstall", "downgrade")
_OFFLINE = "dnf node-plugin install NAME --installroot=/mnt/node"
_CONTAINERFILE = ("COPY BUNDLE /tmp/BUNDLE", "RUN dnf -y node-plugin install /tmp/BUNDLE")
BUILDERS = ("If you build images with dnf, set node_policy = plugins in"
            " /etc/dnf/plugins/node-plugin.conf.")


def refuse_deployed(target: Target, *, live_allowed: bool,
                    lines: Sequence[str] = _CONTAINERFILE) -> None:
    """Raise Refused if the root is a deployed system in image mode.

    ``live_allowed`` allows it if /usr is writable, as after ``bootc usr-overlay``. ``lines``
    are those of a Containerfile that put the change into the image.
    """
    if not _is_closed(target, live_allowed=live_allowed):
        return
    state = ("/usr is read-only" if is_read_only(target.root / "usr") else
             "what is written to /usr now is gone after the next boot, and /etc is not")
    raise Refused(
        f"this is a deployed {target.name} in image mode: its packages are those of its image;"
        f" {state}.",
        hint="\n".join(["Put the change into the image. Add to its Containerfile:",
                        *(f"  {line}" for line in lines),
                        "Then build and push the image, and run: bootc upgrade"]),
        lines=lines)


def is_changed_by_images(target: Target, *, live_allowed: bool) -> bool:
    """Return whether changes of plugins are refused because new images replace the root."""
    return _is_closed(target, live_allowed=live_allowed) or (
        target.booted and target.is_node and not live_allowed)


def _is_closed(target: Target, *, live_allowed: bool) -> bool:
    return target.deployed and not (live_allowed and not is_read_only(target.root / "usr"))


def live_refusal(target: Target) -> Refused:
    """Return the refusal to change a booted node, with the way to do it offline."""
    return Refused(
        f"this is a booted {target.name}; its packages are not changed while it runs,"
        " since the next image upgrade would lose them.",
        hint="Put the plugin into the image: unpack it, for example in /mnt/node, run"
             f" {_OFFLINE}, and deploy that image."
             " Or set live = yes in /etc/dnf/plugins/node-plugin.conf.",
        lines=[_OFFLINE])


def needs_newer(subject: str, target: Target, changes: Sequence[CoreChange],
                lines: Sequence[str], *, first: Sequence[str] = (),
                hint: str = "") -> NeedsNewerImage:
    """Return the refusal that names the core packages ``found``, with ``lines`` of reasons.

    ``first`` are the names of packages that require the others; ``hint`` replaces the usual
    next step.
    """
    what = "image" if target.is_node else "system"
    kind = "other" if any(change.action in TAKES_AWAY for change in changes) else "newer"
    text = (f"{subject} cannot go into {target.name}: it needs {kind} core packages than this"
            f" {what} has.")
    body = "".join(f"\n  {line}" for line in dict.fromkeys(lines))
    return NeedsNewerImage(text + body, hint=hint or next_step(target, changes, first=first),
                           packages=[change.nevra for change in changes])


def next_step(target: Target, changes: Sequence[CoreChange], *,
              first: Sequence[str] = ()) -> str:
    """Return the hint for a refusal because of core packages, for this target."""
    newer = [change.name for change in changes if change.action not in TAKES_AWAY]
    if target.is_node:
        if len(newer) == len(changes):
            return "You need a newer Node ISO."
        return "You need a newer Node ISO, or a version of the plugin that leaves these alone."
    names = " ".join(dict.fromkeys(name for name in newer if not first or name in first))
    if names:
        return f"Update {names} first: dnf upgrade {names}"
    return "Ask the plugin's vendor for a version that leaves these packages alone."


def builders_hint(changes: Sequence[CoreChange]) -> str:
    """Return the hint for a node if a newer ISO does not help, else an empty text."""
    if not any(change.action in ("upgrade", "install") for change in changes):
        return f"An image keeps every package that it is made of. {BUILDERS}"
    return ""


def refuse_pending(target: Target) -> None:
    """Raise Refused if an interrupted change of plugins in the root is not undone yet."""
    if journal.pending(target.root):
        where = "" if target.live else f" --installroot={target.root}"
        raise Refused(
            f"a change of plugins in {target.root} was interrupted and is not undone yet",
            hint=f"Run: dnf node-plugin verify{where}. It undoes that change first.")


def refuse_claimed(target: Target, gone: Collection[str]) -> None:
    """Raise Refused if ``gone``, NEVRAs of plugins' packages to be removed, is not empty."""
    if not gone:
        return
    owners: Dict[str, List[str]] = {}
    for name, record in store.read_registry(target.root).records.items():
        claimed = [package.nevra for package in record.packages if package.nevra in gone]
        if claimed:
            owners[name] = claimed
    where = "" if target.live else f" --installroot={target.root}"
    names = " ".join(owners)
    raise Refused(
        "\n  ".join(["packages of plugins change with their plugins only:",
                     *(f"{nevra} belongs to plugin {name}"
                       for name, nevras in owners.items() for nevra in nevras)]),
        hint=f"Run: dnf node-plugin remove {names}{where}"
             f" (or dnf node-plugin upgrade {names}{where}).")

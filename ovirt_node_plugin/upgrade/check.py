"""Find out, before an upgrade, what becomes of the installed plugins in the new image."""
from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Sequence, Tuple

from ..config import REFUSE, RESTORE, WARN, Config
from ..images.dnf_program import Dnf, DnfFailed, trial_root
from ..images.image import Image
from ..operations.model.answers import PlanAnswer, TargetAnswer
from ..plugin.library import Library
from ..registry import store
from ..registry.record import Record
from ..registry.store import Registry
from ..system.json_answer import ErrorAnswer
from ..system.rpm_version import compare
from ..system.run import Runner
from ..target import Target, read_target
from .configuration import configuration_notes
from .restore import Offer, bundles_of, kept_values, other_origins
from .survival import BROKEN, MISSING, NEWER, OLDER, SURVIVING, Fate, fates, read_nevras

_CONFIGURED = {
    WARN: "{option}, the upgrade is done without plugins that do not survive.",
    RESTORE: "{option}, the upgrade installs them into the new layer, and is undone if one cannot"
             " be installed.",
    REFUSE: "{option}, the upgrade is undone."}


@dataclass(frozen=True)
class Restoration:
    """How a plugin could be installed into the image.

    ``bundle`` is the path of its bundle, absolute, and ``version`` the version there; both are
    empty without a bundle. ``reason`` says why it cannot be installed; it is empty if it can.
    """

    bundle: str
    version: str
    reason: str


@dataclass(frozen=True)
class PluginAnswer:
    """The fate of a plugin, with the fields of ``Fate``.

    ``restoration`` is None for a plugin that survives, and for one that is broken in the image.
    """

    name: str
    old_version: str
    new_version: str
    state: str
    problems: Tuple[str, ...]
    notes: Tuple[str, ...]
    restoration: Optional[Restoration]

    @property
    def survives(self) -> bool:
        """Whether the plugin survives, as ``Fate.survives``."""
        return self.state in SURVIVING

    @classmethod
    def of(cls, fate: Fate, restoration: Optional[Restoration]) -> PluginAnswer:
        """Return the part of an answer for ``fate``."""
        return cls(name=fate.name, old_version=fate.old_version, new_version=fate.new_version,
                   state=fate.state, problems=fate.problems, notes=fate.notes,
                   restoration=restoration)


@dataclass(frozen=True)
class ImageAnswer:
    """The image of a check: its path as given, and its system with fields of ``Target``."""

    path: str
    kind: str
    name: str
    version: str


@dataclass(frozen=True)
class CheckUpgradeAnswer:
    """The answer of ``check-upgrade``; ``ok`` is true if every plugin survives.

    ``target`` is the root in which the plugins are installed. ``added`` are plugins that only
    the image has, each as a name and a version. ``notes`` are about the whole upgrade.
    ``next_step`` is the command that writes an image with all plugins, empty if this one has them.
    """

    ok: bool
    target: TargetAnswer
    image: ImageAnswer
    plugins: Tuple[PluginAnswer, ...]
    added: Tuple[str, ...]
    notes: Tuple[str, ...]
    next_step: str


def check(image: Image, target: Target, config: Config, work: Path, *, dnf: Dnf,
          run: Runner) -> CheckUpgradeAnswer:
    """Compare the plugins of the root of ``target`` with those of the open ``image``.

    Plugins that would be lost are installed on trial, as the upgrade does if ``config`` says so.
    ``work`` is a folder for mounts and copies.

    Raises BadRoot for an image without an rpm database, BadImage for a damaged one, and
    Refused for one with links that lead outside.
    """
    new_target = read_target(image.root)
    old, new = (store.read_registry(root) for root in (target.root, image.root))
    with trial_root(image, work, run=run) as root:
        results = tuple(_with_configuration(fate, target, image.root)
                        for fate in fates(old, new, read_nevras(root, run=run)))
        restorations = _restorations(results, old, Library(config.library), root, dnf,
                                     target)
    ok = all(fate.survives for fate in results)
    notes = [*_notes(target, new_target), *([] if ok or not target.booted else [
        _CONFIGURED[config.upgrade].format(option=f"With upgrade = {config.upgrade} in"
                                                  " node-plugin.conf")])]
    return CheckUpgradeAnswer(
        ok=ok, target=TargetAnswer.of(target),
        image=ImageAnswer(path=str(image.layout.path), kind=new_target.kind,
                          name=new_target.name, version=new_target.version),
        plugins=tuple(PluginAnswer.of(fate, restorations.get(fate.name)) for fate in results),
        added=tuple(f"{name} {record.version}" for name, record in sorted(new.records.items())
                    if name not in {*old.records, *old.damaged}),
        notes=tuple(notes),
        next_step=_next_step(results, restorations, image.layout.path, target.root, old.records))


def _with_configuration(fate: Fate, target: Target, new_root: Path) -> Fate:
    """Return the fate with notes on the files in /etc and on changed configuration files."""
    if not fate.survives:
        return fate
    return replace(fate, notes=(*fate.notes, *configuration_notes(fate.name, target, new_root)))


def _notes(old: Target, new: Target) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"The image contains {new.name}, a {new.kind}, and {old.root} is a {old.kind}."
    elif old.version and new.version and compare(new.version, old.version) < 0:
        yield f"The image contains {new.name}, which is older than the installed {old.name}."


def _next_step(results: Sequence[Fate], restorations: Mapping[str, Restoration], image: Path,
               root: Path, records: Mapping[str, Record]) -> str:
    """Return the command that writes an image with all plugins, empty if ``image`` has them.

    With --plugins-from, users and groups keep their numbers, and parameters their values except
    secrets. It would merge all plugins, also those of which the image has a newer version, so then
    the others are named, with the values in their ``records``.
    """
    others = [fate for fate in results if not fate.survives]
    if not others:
        return ""
    usable = {name: restoration.bundle for name, restoration in restorations.items()
              if not restoration.reason}
    replays = (any(fate.state == BROKEN for fate in others)
               or not any(fate.state == NEWER for fate in results))
    bundles = [usable.get(fate.name, f"BUNDLE-OF-{fate.name}") for fate in others]
    if any(fate.state == BROKEN for fate in others):  # a broken plugin is not installed again
        words = ["IMAGE-WITHOUT-PLUGINS", *bundles, f"--plugins-from={root}"]
    else:
        words = [str(image), *bundles, *([f"--plugins-from={root}"] if replays else [])]
    for fate in others:
        if fate.name in records:
            words += _values(records[fate.name], replays=replays)
    return shlex.join(["ovirt-node-plugin", "merge", *words, "-o", "OUTPUT"])


def _values(record: Record, *, replays: bool) -> Iterator[str]:
    """Yield the options --set that a merge needs; with ``replays`` it knows all but secrets."""
    for each in record.parameters:
        if each.digest or not (replays or each.default):
            yield f"--set={record.name}.{each.name}={'@FILE' if each.digest else each.value}"


def _restorations(results: Sequence[Fate], old: Registry, library: Library, root: Path,
                  dnf: Dnf, target: Target) -> Dict[str, Restoration]:
    """Try to install the lost plugins into ``root``, a trial of the image, as a restore does."""
    names = [fate.name for fate in results if fate.state in (MISSING, OLDER)]
    records = [old.records[name] for name in names if name in old.records]
    offers, problems = bundles_of(records, library, dnf.run)
    reasons = _reasons(offers, records, root, dnf, values=kept_values(records, target.root))
    return {**{name: Restoration("", "", problem) for name, problem in problems.items()},
            **{name: Restoration(str(offer.path), offer.version, reasons.get(name, ""))
               for name, offer in offers.items()}}


def _reasons(offers: Mapping[str, Offer], records: Sequence[Record], root: Path,
             dnf: Dnf, *, values: Sequence[str]) -> Dict[str, str]:
    """Return why bundles cannot be installed into ``root``, by the names of their plugins.

    ``values`` are the options that keep values of their parameters.
    """
    if not offers:
        return {}
    try:
        plan = dnf.run_json(root, "install", [str(offer.path) for offer in offers.values()],
                            "--dry-run", *values, answer=PlanAnswer)
    except DnfFailed as exc:
        return {name: _reason(name, exc.answer) for name in offers
                if name not in (exc.answer.fitting or ())}
    return other_origins(plan, records)


def _reason(name: str, answer: ErrorAnswer) -> str:
    """Return the reasons that ``answer`` has for a plugin, or that it does not tell apart."""
    messages = [reason.message for reason in answer.reasons or ()
                if name in reason.plugins or not reason.plugins]
    return "\n".join(messages) or answer.message

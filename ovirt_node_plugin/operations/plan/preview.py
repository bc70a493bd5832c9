"""What a plan shows of each plugin: settings, files, shared packages; keys and space."""
from __future__ import annotations

import os
import typing
from collections import Counter
from typing import Dict, Iterable, List, Sequence, Tuple

from ...errors import RolledBack
from ...packages.contents import removed_paths, replacements
from ...packages.session import PackageChange, Session
from ...registry.record import Record
from ...settings.engine import checking, kinds, live, selection
from ...settings.engine.revert import Revert
from ...settings.kit.model import Context, Wanted
from ...settings.services import package_units
from ...system.openpgp import PublicKey
from ...system.words import first_names, size
from ...target import Target
from ...undo.changes import Applied
from ..model.books import Books, holders
from ..model.jobs import Holders, Job, holders_after, staying_of_job
from ..model.results import (
    AGAIN,
    KEEP,
    OFF,
    ON,
    REMOVE,
    STAYS,
    FolderCount,
    KnownKey,
    PlannedSetting,
    PluginAction,
    Share,
    Signature,
    Space,
)

_FOLDER_PARTS = 2  # /usr/share, /opt/acme
_NAMED = 3
_TRANSIENT = ("What the packages write to /usr is gone after the next boot, as this is a deployed"
              " system in image mode.")


def action(job: Job, jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books,
           revert: Revert, known: Sequence[PublicKey]) -> PluginAction:
    """Return what happens to the plugin of ``job``, one of ``jobs``.

    ``revert`` undoes the settings that any of the jobs drops. ``known`` are the keys whose
    owners are known.
    """
    descriptor, context, upgrade = job.bundle.descriptor, job.context, job.upgrade
    undone = [applied for applied in revert.live if applied in upgrade.gone]
    return PluginAction(
        action=job.action, name=descriptor.name, version=descriptor.version,
        old_version=job.old.version if job.old else "", vendor=descriptor.vendor,
        summary=descriptor.summary, source=job.bundle.source, packages=job.packages,
        settings=(*(PlannedSetting(action=ON, kind=item.kind, key=item.key, value=item.value,
                                   text=item.text, content=kinds.content(item, context))
                    for item in _dangerous_first(upgrade.fresh)),
                  *(PlannedSetting(action=AGAIN, kind=item.kind, key=item.key, value=item.value,
                                   text=f"again: {item.text}",
                                   content=kinds.content(item, context))
                    for item in _dangerous_first(upgrade.refreshed)),
                  *dropped(upgrade.gone, staying_of_job(job, jobs, books))),
        now=(*live.plan_off(undone, context),
             *live.plan_on([*upgrade.fresh, *upgrade.refreshed], context)),
        files=folder_counts(change for change in packages
                            if change.nevra in job.packages and change.arrives),
        shares=_shares(job, jobs, books, packages),
        notes=(*selection.left_out(descriptor, context), *selection.unused_files(descriptor),
               *job.parameters.notes, *upgrade.notes),
        parameters=job.parameters.changes(job.old), trust=job.trust,
        origin=job.recorded_origin, old_origin=job.old_origin,
        known_keys=tuple(dict.fromkeys(
            KnownKey(name, key.fingerprint, key.owner) for key in known for name in key.ids
            for origin in (job.recorded_origin, job.old_origin)
            if origin is not None and name in origin.keys)))


def _dangerous_first(items: Sequence[Wanted]) -> Sequence[Wanted]:
    return sorted(items, key=lambda item: not item.danger)


def kept(record: Record, *, source: str, notes: Iterable[str] = (),
         next_step: str = "") -> PluginAction:
    """Return that nothing happens to an installed plugin."""
    return PluginAction(
        action=KEEP, name=record.name, version=record.version, old_version=record.version,
        vendor=record.vendor, summary=record.summary, source=source, packages=record.nevras,
        notes=tuple(notes), next_step=next_step)


def removed(record: Record, going: Sequence[str], packages: Sequence[PackageChange],
            staying: Holders, undone: Sequence[Applied], context: Context) -> PluginAction:
    """Return that a plugin is removed, with those of its packages that are ``going``.

    ``staying`` are the settings that other plugins keep, ``undone`` the plugin's settings
    that are undone in the running system too.
    """
    nevras = record.nevras
    own = [change for change in packages if change.nevra in nevras]
    units = package_units.running(removed_paths(own), context)
    return PluginAction(
        action=REMOVE, name=record.name, version="", old_version=record.version,
        vendor=record.vendor, summary=record.summary, source=record.source,
        packages=tuple(nevra for nevra in nevras if nevra in going),
        settings=dropped(record.settings, staying),
        now=tuple(dict.fromkeys((*live.plan_off(undone, context),
                                 *(f"stop service {unit} now" for unit in units)))),
        files=folder_counts(own))


def dropped(gone: Iterable[Applied], staying: Holders) -> Tuple[PlannedSetting, ...]:
    """Return the settings ``gone`` as ones that are undone, or stay for other plugins."""
    planned = []
    for applied in gone:
        names = staying.get((applied.kind, applied.key), ())
        text = checking.text_of(applied)
        have = "plugin {} has" if len(names) == 1 else "plugins {} have"
        planned.append(PlannedSetting(
            action=STAYS if names else OFF, kind=applied.kind, key=applied.key,
            value=applied.value,
            text=(f"{text} stays: {have.format(', '.join(names))} it too" if names
                  else f"undo {text}")))
    return tuple(planned)


def folder_counts(packages: Iterable[PackageChange]) -> Tuple[FolderCount, ...]:
    """Return the number of files in each folder, folders not counted, most files first."""
    counts: typing.Counter[str] = Counter()
    for change in packages:
        files = ([file.path for file in change.header.files if not file.is_folder]
                 if change.header is not None else change.files)
        counts.update("/".join(os.path.dirname(path).split("/")[:_FOLDER_PARTS + 1])
                      for path in files)
    return tuple(FolderCount(folder or "/", count) for folder, count in
                 sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def known_keys(packages: Sequence[PackageChange], session: Session, *,
               network: bool) -> Sequence[PublicKey]:
    """Return the keys in the root, and those that repositories of arriving packages offer.

    Keys are read from the network only with ``network``.
    """
    return session.known_keys({change.repo for change in packages if change.signer
                               and change.signed}, network=network)


def signatures(packages: Sequence[PackageChange], session: Session,
               known: Sequence[PublicKey]) -> Tuple[Signature, ...]:
    """Return the keys by which the arriving packages are signed; an empty key means none.

    ``known`` are the keys whose owners are known.
    """
    owners = session.signers()
    by_key: Dict[Tuple[str, str], List[PackageChange]] = {}
    for change in packages:
        if change.header is not None:
            by_key.setdefault((change.signer, change.header.fingerprint), []).append(change)
    return tuple(_signature(changes, owners.get(signer, ""), known)
                 for (signer, _), changes in sorted(by_key.items()))


def _signature(changes: Sequence[PackageChange], owner: str,
               known: Sequence[PublicKey]) -> Signature:
    """Return the signature that all of ``changes`` have, by one of the ``known`` keys or another.

    ``owner`` is that of the key in the root.
    """
    header, signer = changes[0].header, changes[0].signer
    fingerprint = header.fingerprint if header is not None else ""
    key = next((key for key in known if fingerprint in key.fingerprints
                or (not fingerprint and signer in key.ids)), None)
    return Signature(
        signer, owner, tuple(change.nevra for change in changes),
        checked=all(change.signed for change in changes),
        fingerprint=key.fingerprint if key is not None else fingerprint,
        offered_owner=key.owner if key is not None and not owner else "")


def space(target: Target, packages: Sequence[PackageChange]) -> Space:
    """Return the space that the packages need, and what the root's filesystem has."""
    filesystem = os.statvfs(target.root)
    return Space(
        needed_bytes=sum(change.size_bytes for change in packages if change.arrives),
        freed_bytes=sum(change.size_bytes for change in packages if not change.arrives),
        free_bytes=filesystem.f_bavail * filesystem.f_frsize)


def refuse_full(target: Target, room: Space) -> None:
    """Raise RolledBack, with nothing changed, if the packages do not fit on the root's disk."""
    if room.free_bytes is not None and room.needed_bytes > room.free_bytes:
        raise RolledBack(
            f"the packages need {size(room.needed_bytes)} on the disk of {target.root}, which"
            f" has {size(room.free_bytes)} free,"
            f" {size(room.needed_bytes - room.free_bytes)} too little. Nothing was changed.",
            hint="Make room or enlarge the filesystem, then try again.")


def estimate(packages: Sequence[PackageChange]) -> Tuple[str, ...]:
    """Return a line if packages are not fetched, so that the plan lacks what is in them."""
    unknown = [change.nevra for change in packages if change.arrives and change.header is None]
    return ("This is an estimate, as packages are not downloaded:"
            f" {first_names(unknown, _NAMED)}. Their signatures, scriptlets and files to review"
            " are not known yet, the number of files includes folders, and the install may still"
            " be refused for one of them.",) if unknown else ()


def of_system(target: Target) -> Tuple[str, ...]:
    """Return lines about the root ``/``: nothing takes effect in it now, or not for long."""
    return (*([live.NOT_BOOTED] if target.live and not target.booted else ()),
            *([_TRANSIENT] if target.deployed else ()))


def changed_for_others(jobs: Sequence[Job], packages: Sequence[PackageChange],
                       books: Books) -> Tuple[str, ...]:
    """Return a line for each package that changes and that plugins without a job have too."""
    others = books.claims_of_others([job.name for job in jobs])
    return tuple(
        f"{old}, which plugin {', '.join(others[old])} has too, becomes {new.nevra}."
        for old, new in sorted(replacements(packages).items())
        if old in others and old != new.nevra)


def _shares(job: Job, jobs: Sequence[Job], books: Books,
            changes: Sequence[PackageChange]) -> Tuple[Share, ...]:
    """Return the packages and settings that the plugin has together with others."""
    new = {old: change.nevra for old, change in replacements(changes).items()}
    packages = holders(dict(sorted({
        **{name: tuple(new.get(nevra, nevra) for nevra in record.nevras)
           for name, record in books.records.items()},
        **{other.name: other.packages for other in jobs}, job.name: ()}.items())))
    settings = holders_after(job, jobs, books)
    return (*(Share("package", nevra, packages[nevra]) for nevra in job.packages
              if nevra in packages),
            *(Share(item.kind, item.key, settings[item.kind, item.key])
              for item in job.upgrade.order if (item.kind, item.key) in settings))

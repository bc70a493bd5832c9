"""What a plan says of each plugin: settings, files, shared packages; and of keys and space."""
from __future__ import annotations

import os
import typing
from collections import Counter
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ...packages.session import PackageChange
from ...registry.record import Record
from ...settings.engine import checking, live, selection
from ...settings.engine.revert import Revert
from ...settings.kit.model import Context
from ...settings.services import package_units
from ...target import Target
from ...undo.changes import Applied
from ..model import shared_settings
from ..model.books import Books
from ..model.job import Job
from ..model.paths_gone import paths_gone
from ..model.results import (
    AGAIN,
    KEEP,
    OFF,
    ON,
    REMOVE,
    STAYS,
    FolderCount,
    PlannedSetting,
    PluginAction,
    Share,
    Signature,
    Space,
)

_FOLDER_PARTS = 2  # /usr/share, /opt/acme


def action(job: Job, jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books,
           revert: Revert) -> PluginAction:
    """Return what happens to the plugin of ``job``, one of ``jobs``.

    ``revert`` undoes the settings of all jobs that go.
    """
    descriptor, context = job.bundle.descriptor, job.context
    undone = [applied for applied in revert.live if applied in job.upgrade.gone]
    return PluginAction(
        action=job.action, name=descriptor.name, version=descriptor.version,
        old_version=job.old.version if job.old else "", vendor=descriptor.vendor,
        summary=descriptor.summary, source=job.bundle.source, packages=job.packages,
        settings=_settings(job, jobs, books),
        now=(*live.plan_off(undone, context),
             *live.plan_on([*job.upgrade.fresh, *job.upgrade.refreshed], context)),
        files=folder_counts(change for change in packages if change.nevra in job.packages
                            and change.action != "remove"),
        shares=_shares(job, jobs, books),
        notes=(*selection.left_out(descriptor, context), *job.upgrade.notes))


def kept(name: str, books: Books, *, source: str) -> PluginAction:
    """Return that nothing happens to an installed plugin."""
    record = books.records[name]
    return PluginAction(
        action=KEEP, name=record.name, version=record.version, old_version=record.version,
        vendor=record.vendor, summary=record.summary, source=source,
        packages=tuple(package.nevra for package in record.packages))


def removed(record: Record, going: Sequence[str], packages: Sequence[PackageChange],
            settings: Tuple[PlannedSetting, ...], undone: Sequence[Applied],
            context: Context) -> PluginAction:
    """Return that a plugin is removed, with those of its packages that are ``going``.

    ``undone`` are its settings that are undone in the running system too.
    """
    nevras = {package.nevra for package in record.packages}
    own = [change for change in packages if change.nevra in nevras]
    units = package_units.running(paths_gone(own), context)
    return PluginAction(
        action=REMOVE, name=record.name, version="", old_version=record.version,
        vendor=record.vendor, summary=record.summary, source=record.source,
        packages=tuple(package.nevra for package in record.packages if package.nevra in going),
        settings=settings,
        now=tuple(dict.fromkeys((*live.plan_off(undone, context),
                                 *(f"stop service {unit} now" for unit in units)))),
        files=folder_counts(own))


def dropped(gone: Iterable[Applied],
            staying: Mapping[shared_settings.Key, Sequence[str]]) -> Tuple[PlannedSetting, ...]:
    """Return the settings ``gone`` as ones that are undone, or stay for other plugins.

    ``staying`` has the names of these, by kind and key.
    """
    planned = []
    for applied in gone:
        names = staying.get((applied.kind, applied.key), ())
        text = checking.text_of(applied)
        planned.append(PlannedSetting(
            action=STAYS if names else OFF, kind=applied.kind, key=applied.key,
            value=applied.value,
            text=f"{text} stays: {_have(names)} it too" if names else f"undo {text}"))
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


def signatures(packages: Sequence[PackageChange],
               owners: Mapping[str, str]) -> Tuple[Signature, ...]:
    """Return the keys by which the arriving packages are signed; an empty key means none.

    ``owners`` are the keys of the root's rpm database, by id.
    """
    keys: Dict[str, List[PackageChange]] = {}
    for change in packages:
        if change.header is not None:
            keys.setdefault(change.signer, []).append(change)
    return tuple(Signature(key, owners.get(key, ""), tuple(change.nevra for change in changes),
                           checked=all(change.signed for change in changes))
                 for key, changes in sorted(keys.items()))


def space(target: Target, packages: Sequence[PackageChange]) -> Space:
    """Return the space that the packages need, and what the root's filesystem has."""
    filesystem = os.statvfs(target.root)
    return Space(
        needed_bytes=sum(one.size_bytes for one in packages if one.action != "remove"),
        freed_bytes=sum(one.size_bytes for one in packages if one.action == "remove"),
        free_bytes=filesystem.f_bavail * filesystem.f_frsize)


def not_booted(target: Target) -> Tuple[str, ...]:
    """Return a line if the root runs, but nothing can take effect in it now."""
    return (live.NOT_BOOTED,) if target.live and not live.is_live(target.root) else ()


def _settings(job: Job, jobs: Sequence[Job], books: Books) -> Tuple[PlannedSetting, ...]:
    """Return the settings that come on, are applied again, or are dropped, in that order."""
    upgrade = job.upgrade
    return (*(PlannedSetting(action=ON, kind=item.kind, key=item.key, value=item.value,
                             text=item.text) for item in upgrade.fresh),
            *(PlannedSetting(action=AGAIN, kind=item.kind, key=item.key, value=item.value,
                             text=f"again: {item.text}") for item in upgrade.refreshed),
            *dropped(upgrade.gone, shared_settings.staying_of_job(job, jobs, books)))


def _have(names: Sequence[str]) -> str:
    return f"plugin {names[0]} has" if len(names) == 1 else f"plugins {', '.join(names)} have"


def _shares(job: Job, jobs: Sequence[Job], books: Books) -> Tuple[Share, ...]:
    packages: Dict[str, List[str]] = {}
    for name, nevras in _claims(job, jobs, books).items():
        for nevra in sorted(set(nevras) & set(job.packages)):
            packages.setdefault(nevra, []).append(name)
    shares = [Share("package", nevra, tuple(sorted(names))) for nevra, names in packages.items()]
    others = shared_settings.in_run(job, jobs, books)
    for item in job.upgrade.order:
        names = shared_settings.holders((item.kind, item.key), others)
        if names:
            shares.append(Share(item.kind, item.key, names))
    return tuple(shares)


def _claims(job: Job, jobs: Sequence[Job], books: Books) -> Dict[str, Sequence[str]]:
    others = {other.name: other.packages for other in jobs if other is not job}
    installed = {name: tuple(package.nevra for package in record.packages)
                 for name, record in books.records.items()
                 if name != job.name and name not in others}
    return {**installed, **others}

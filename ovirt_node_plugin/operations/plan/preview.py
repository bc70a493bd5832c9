"""What a plan tells of an installation: settings, files, who shares what, signers, room."""
from __future__ import annotations

import os
import typing
from collections import Counter
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ...packages.session import PackageChange
from ...settings import engine
from ...target import Target
from ...undo.changes import Applied
from ..model import shared_settings
from ..model.books import Books
from ..model.job import Job
from ..model.results import (
    AGAIN,
    KEEP,
    OFF,
    ON,
    STAYS,
    FolderCount,
    PlannedSetting,
    PluginAction,
    Share,
    Signature,
    Space,
)
from . import live_steps

_FOLDER_PARTS = 2  # /usr/share, /opt/acme


def action(job: Job, jobs: Sequence[Job], packages: Sequence[PackageChange],
           books: Books) -> PluginAction:
    """Return what happens to the plugin of ``job``, one of ``jobs``."""
    descriptor = job.bundle.descriptor
    mine = [one for one in packages if one.nevra in job.packages and one.action != "remove"]
    return PluginAction(
        job.action, descriptor.name, descriptor.version, job.old.version if job.old else "",
        descriptor.vendor, descriptor.summary, job.bundle.source, job.packages,
        settings=_settings(job, jobs, books), now=live_steps.planned(job),
        files=folder_counts(mine),
        shares=_shares(job, jobs, books),
        notes=(*engine.left_out(descriptor, job.context), *job.upgrade.notes,
               *job.revert.notes))


def kept(job_name: str, books: Books, *, source: str) -> PluginAction:
    """Return that nothing happens to an installed plugin."""
    record = books.records[job_name]
    return PluginAction(KEEP, record.name, record.version, record.version, record.vendor,
                        record.summary, source, tuple(one.nevra for one in record.packages))


def dropped(gone: Iterable[Applied],
            staying: Mapping[shared_settings.Key, Sequence[str]]) -> Tuple[PlannedSetting, ...]:
    """Return the settings ``gone`` as ones that are undone, or stay for other plugins.

    ``staying`` has the names of these, by kind and key.
    """
    found = []
    for one in gone:
        names = staying.get((one.kind, one.key), ())
        text = engine.text_of(one)
        found.append(PlannedSetting(
            STAYS if names else OFF, one.kind, one.key, one.value,
            f"{text} stays: {_have(names)} it too" if names else f"undo {text}"))
    return tuple(found)


def folder_counts(packages: Iterable[PackageChange]) -> Tuple[FolderCount, ...]:
    """Return how many files lie where, folders themselves not counted, most first."""
    found: typing.Counter[str] = Counter()
    for change in packages:
        files = ([one.path for one in change.header.files if not one.is_folder]
                 if change.header is not None else change.files)
        found.update("/".join(os.path.dirname(path).split("/")[:_FOLDER_PARTS + 1])
                     for path in files)
    return tuple(FolderCount(folder or "/", count) for folder, count in
                 sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def signatures(packages: Sequence[PackageChange],
               owners: Mapping[str, str]) -> Tuple[Signature, ...]:
    """Return by which keys the arriving packages are signed; an empty key is none.

    ``owners`` are the keys of the root's rpm database, by id.
    """
    keys: Dict[str, List[PackageChange]] = {}
    for change in packages:
        if change.header is not None:
            keys.setdefault(change.signer, []).append(change)
    return tuple(Signature(key, owners.get(key, ""), tuple(one.nevra for one in changes),
                           checked=all(one.signed for one in changes))
                 for key, changes in sorted(keys.items()))


def space(target: Target, packages: Sequence[PackageChange]) -> Space:
    """Return the room that the packages need, and what the root's filesystem has."""
    state = os.statvfs(target.root)
    return Space(sum(one.size_bytes for one in packages if one.action != "remove"),
                 sum(one.size_bytes for one in packages if one.action == "remove"),
                 state.f_bavail * state.f_frsize)


def _settings(job: Job, jobs: Sequence[Job], books: Books) -> Tuple[PlannedSetting, ...]:
    """Return the settings that come on, are applied again, or are dropped, in that order."""
    upgrade = job.upgrade
    return (*(PlannedSetting(ON, one.kind, one.key, one.value, one.text)
              for one in upgrade.fresh),
            *(PlannedSetting(AGAIN, one.kind, one.key, one.value, f"again: {one.text}")
              for one in upgrade.refreshed),
            *dropped(upgrade.gone, shared_settings.staying_of_job(job, jobs, books)))


def _have(names: Sequence[str]) -> str:
    return f"plugin {names[0]} has" if len(names) == 1 else f"plugins {', '.join(names)} have"


def _shares(job: Job, jobs: Sequence[Job], books: Books) -> Tuple[Share, ...]:
    packages: Dict[str, List[str]] = {}
    for name, nevras in _claims(job, jobs, books).items():
        for nevra in sorted(set(nevras) & set(job.packages)):
            packages.setdefault(nevra, []).append(name)
    found = [Share("package", nevra, tuple(sorted(names))) for nevra, names in packages.items()]
    others = shared_settings.in_run(job, jobs, books)
    for item in job.upgrade.order:
        names = shared_settings.holders((item.kind, item.key), others)
        if names:
            found.append(Share(item.kind, item.key, names))
    return tuple(found)


def _claims(job: Job, jobs: Sequence[Job], books: Books) -> Dict[str, Sequence[str]]:
    others = {one.name: one.packages for one in jobs if one is not job}
    installed = {name: tuple(one.nevra for one in record.packages)
                 for name, record in books.records.items()
                 if name != job.name and name not in others}
    return {**installed, **others}

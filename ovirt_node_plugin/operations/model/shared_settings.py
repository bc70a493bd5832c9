"""Settings that several plugins have alike: who has them, and what stays when one drops them."""
from __future__ import annotations

from typing import Collection, Dict, Iterable, Mapping, Sequence, Tuple

from ...settings.engine.kinds import is_derived, is_shared
from ...undo.changes import Applied
from .books import Books
from .job import Job

Key = Tuple[str, str]  # kind and key of a setting
Keys = Mapping[str, Collection[Key]]
"""What plugins have, by plugin name."""


def in_run(job: Job, jobs: Sequence[Job], books: Books) -> Keys:
    """Return what plugins other than that of ``job``, one of ``jobs``, have after the run."""
    others = {one.name: {(item.kind, item.key) for item in one.upgrade.order}
              for one in jobs if one is not job}
    return {**_keys_without([job.name, *others], books), **others}


def holders(key: Key, others: Keys) -> Tuple[str, ...]:
    """Return which of ``others`` have a setting; nobody if its kind is not one to share."""
    kind, _ = key
    if not is_shared(kind) or is_derived(kind):
        return ()
    return tuple(sorted(name for name, keys in others.items() if key in keys))


def staying_of_job(job: Job, jobs: Sequence[Job], books: Books) -> Mapping[Key, Sequence[str]]:
    """Return what ``job`` drops of settings that others keep as they are, and who does.

    What only gets another value, of this plugin or of another one of ``jobs``, goes.
    """
    others = in_run(job, jobs, books)
    changing = _keys({one.name: one.upgrade.gone for one in jobs if one is not job})
    kept = {name: set(keys) - set(changing.get(name, ())) for name, keys in others.items()}
    again = {(item.kind, item.key) for item in job.upgrade.order}
    return _held((one for one in job.upgrade.gone if (one.kind, one.key) not in again), kept)


def staying_without(gone: Collection[str], books: Books) -> Mapping[Key, Sequence[str]]:
    """Return the settings of the plugins ``gone`` that plugins which stay have, and who does."""
    return _held((applied for name in gone for applied in books.records[name].settings),
                 _keys_without(gone, books))


def _held(settings: Iterable[Applied], others: Keys) -> Mapping[Key, Sequence[str]]:
    found: Dict[Key, Sequence[str]] = {}
    for one in settings:
        names = holders((one.kind, one.key), others)
        if names:
            found[one.kind, one.key] = names
    return found


def _keys_without(plugins: Collection[str], books: Books) -> Keys:
    return _keys({name: state.settings for name, state in books.ledger.states.items()
                  if name not in plugins})


def _keys(settings: Mapping[str, Iterable[Applied]]) -> Keys:
    return {name: {(one.kind, one.key) for one in applied} for name, applied in settings.items()}

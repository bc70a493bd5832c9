"""Write a bundle of each plugin of an installation that comes from a repository.

The bundle has the plugin's packages in a repository of its own, and the keys of the repositories
that they come from. Its descriptor names no repositories: their addresses are this run's.
"""
from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from ..errors import UsageError
from ..packages.session import PackageChange, Session
from ..plugin.descriptor import DESCRIPTOR_NAME, without_repos
from ..registry.record import source_repo
from ..system.run import Runner, explained
from ..system.source_date import source_date
from .model.jobs import Job


@contextlib.contextmanager
def saved(jobs: Sequence[Job], packages: Sequence[PackageChange], session: Session, folder: Path,
          *, run: Runner) -> Iterator[Tuple[str, ...]]:
    """Write the bundles to ``folder``, each to a new folder with the plugin's name.

    ``packages`` are those of the solved transaction, with headers. Yields notes for people; if
    the ``with`` block fails, the bundles are deleted. Raises UsageError if ``folder`` has such a
    folder already, and RolledBack if createrepo_c fails.
    """
    bundles = [folder / job.name for job in jobs if source_repo(job.bundle.source)]
    for bundle in bundles:
        if os.path.lexists(bundle):
            raise UsageError(f"{bundle} exists already",
                             hint="Remove it, or name another folder with --save-bundles.")
    try:
        yield tuple(_save(jobs, packages, session, folder, run))
    except BaseException:
        for bundle in bundles:
            shutil.rmtree(bundle, ignore_errors=True)
        raise


def _save(jobs: Sequence[Job], packages: Sequence[PackageChange], session: Session, folder: Path,
          run: Runner) -> Iterator[str]:
    """Write the bundles; yield notes for people."""
    signed = {change.nevra for change in packages if change.signer}
    for job in jobs:
        if not source_repo(job.bundle.source):
            continue
        bundle = folder / job.name
        repository, keys = bundle / "repo", bundle / "keys"
        for new in (repository, keys):
            new.mkdir(parents=True)
        missing = session.save_packages(job.packages, repository, keys)
        if signed.isdisjoint(job.packages):  # keys would demand signatures
            for key in keys.iterdir():
                key.unlink()
        with explained(f"the repository of the bundle {bundle} cannot be made"):
            run(["createrepo_c", "--quiet", "--no-database", *_dated(repository), repository])
        (bundle / DESCRIPTOR_NAME).write_bytes(without_repos(job.bundle.descriptor.source_xml))
        for name, content in job.bundle.descriptor.files.items():
            (bundle / name).parent.mkdir(parents=True, exist_ok=True)
            (bundle / name).write_bytes(content)
        if missing:
            yield (f"The bundle of plugin {job.name} lacks {', '.join(missing)}, which no"
                   " repository of this run offers.")


def _dated(repository: Path) -> Sequence[str]:
    """Return the options of createrepo_c(8) for metadata with the time of SOURCE_DATE_EPOCH.

    The metadata contain the times of the packages, which become that time if they are newer.
    """
    date = source_date()
    if date is None:
        return ()
    for path in repository.iterdir():
        if path.stat().st_mtime > date:
            os.utime(path, (date, date))
    return f"--revision={date}", "--set-timestamp-to-revision"

"""Compare the installed plugins with their records: packages, files, settings."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Collection, Iterator, Mapping, Optional, Sequence, Tuple

from ..errors import NodePluginError
from ..packages.rpm_verify import FileProblem, verify_files
from ..packages.session import Session
from ..registry import image_copy, store
from ..registry.record import Record
from ..registry.trust_level import TrustLevel, read_level
from ..settings.engine import kinds
from ..settings.kit.model import Context
from ..settings.placed import leave_out
from ..system.differences import MISSING, PropertyDifference
from ..system.nevra import name_of
from ..system.path_sets import IMAGE_REGISTRY
from ..system.progress import PLUGINS
from ..system.run import Runner
from ..target import is_booted
from . import drift, matching
from .model.results import (
    IN_CONFIG,
    IN_FILE,
    IN_GHOST,
    IN_PACKAGE,
    IN_RECORD,
    IN_SETTING,
    STALE,
    Check,
    Finding,
)
from .recorded_files import RecordedFiles


def verify(session: Session, names: Sequence[str], *, run: Runner) -> Tuple[Check, ...]:
    """Compare records, packages, settings and files of plugins: those that ``names`` name, or all.

    Raises UnknownPlugin for a name without a record.
    """
    registry = store.read_registry(session.target.root)
    known = {*registry.records, *registry.damaged}
    chosen = matching.installed(names, session.target.root)
    present = session.installed()
    stale = () if names else stale_checks(session.target.root, known)
    recorded = drift.recorded_states()
    checks = list(stale)
    todo = [name for name in sorted(known) if not names or name in chosen]
    with session.progress.step("verify", "Comparing plugins with their records",
                               total=lambda: len(todo), unit=PLUGINS) as advance:
        for done, name in enumerate(todo):
            advance(done)
            checks.append(
                check(registry.records[name], present, session, run=run, recorded=recorded)
                if name in registry.records else
                Check.of(name, "", [Finding(IN_RECORD,
                                            f"its record is damaged: {registry.damaged[name]}")]))
    return tuple(checks)


def stale_checks(root: Path, known: Collection[str]) -> Tuple[Check, ...]:
    """Return a check of each plugin that has files in /etc but not in the image, nor ``known``."""
    return tuple(Check.of(name, "", _stale_findings(root, name, paths))
                 for name, paths in image_copy.differences(root).items() if name not in known)


def check(record: Record, present: Mapping[str, str], session: Session, *, run: Runner,
          recorded: Optional[drift.RecordedStates] = None) -> Check:
    """Compare one plugin with its record; ``present`` maps installed NEVRAs to their names.

    ``recorded`` is from ``drift.recorded_states``, for several plugins.
    """
    compared = Check.of(record.name, record.version,
                        _findings(record, present, session, run, recorded))
    below = _below_floor(record, session.policy.config.trust)
    return replace(compared, notes=(*compared.notes, *below))


def _below_floor(record: Record, floor: TrustLevel) -> Tuple[str, ...]:
    level = record.installed_trust.level
    return (f"it was installed at the level of trust {level}, which is below that of this site,"
            f" {floor.word}: remove it and install it again",) if read_level(level) < floor else ()


def _findings(record: Record, present: Mapping[str, str], session: Session, run: Runner,
              recorded: Optional[drift.RecordedStates]) -> Iterator[Finding]:
    root = session.target.root
    yield from _stale_findings(root, record.name,
                               image_copy.differences_of(root, record.name))
    yield from _package_findings(record, present, session)
    owners = {path: nevra for nevra in record.nevras if nevra in present
              for path in session.files(nevra)}
    is_root = os.geteuid() == 0  # rpm writes to its database when it verifies
    recorded_files = RecordedFiles(record, root)
    if is_root:
        yield from _file_findings(record, owners, present, session, run, recorded_files)
    try:
        undo_data = store.read_undo_data(root, record.name)
    except NodePluginError as exc:
        if not is_root and isinstance(exc.__cause__, PermissionError):
            # a lack of rights is no damage of the plugin: compare what everybody may read
            yield from drift.inventory_findings(recorded_files, record.name, None, root, look=True)
        else:
            yield Finding(IN_RECORD, exc.message)
        return
    files = dict.fromkeys(owners, 0)
    context = Context(root=root, plugin=record.name, files=files, run=run,
                      leavable=leave_out.recorded(record.settings, files, session.files_of),
                      live=is_booted(root), sealed=session.sealed)
    yield from (Finding(IN_SETTING, problem.text, problem.path, differences=problem.differences)
                for problem in kinds.verify(undo_data.state.settings, context))
    yield from drift.effect_findings(undo_data.state.effects, root, files=files, recorded=recorded)
    yield from drift.inventory_findings(recorded_files, record.name, undo_data, root,
                                        look=not is_root)


def _stale_findings(root: Path, name: str, paths: Sequence[str]) -> Iterator[Finding]:
    for path in paths:
        yield Finding(STALE, f"/{path} is not that of the image, whose records are in"
                             f" /{IMAGE_REGISTRY}", f"/{path}",
                      differences=image_copy.file_differences(root, name, path))


def _package_findings(record: Record, present: Mapping[str, str],
                      session: Session) -> Iterator[Finding]:
    """Yield each package that is not installed as recorded."""
    missing = [nevra for nevra in record.nevras if nevra not in present]
    for nevra in missing:
        others = sorted(other for other, name in present.items() if name == name_of(nevra))
        yield Finding(IN_PACKAGE, f"package {nevra} is " + (
            f"there as {', '.join(others)}" if others else "not installed"), package=nevra,
                      differences=(PropertyDifference(
                          "nevra", nevra, ", ".join(others)) if others else
                                   MISSING,))
    if missing:
        outlived = session.target.is_image and image_copy.outlived(
            session.target.root, {record.name: record}, present)
        yield Finding(IN_PACKAGE, "the image may have been replaced since" + (
            ": verify --reconcile removes the record" if outlived else ""))


def _file_findings(record: Record, owners: Mapping[str, str], present: Mapping[str, str],
                   session: Session, run: Runner,
                   recorded: RecordedFiles) -> Iterator[Finding]:
    """Yield what ``rpm -V`` reports; ``owners`` are the plugin's packages by their files."""
    nevras = [nevra for nevra in record.nevras if nevra in present]
    target = session.target
    for problem in verify_files(target.root, target.rpmdb, nevras, runner=run):
        if not (problem.missing and leave_out.is_left_out(problem.path, record.settings)):
            yield Finding(_kind(problem), problem.text, problem.path,
                          owners.get(problem.path, ""),
                          differences=(MISSING,) if problem.missing else
                          recorded.changed(problem.path, problem.changed))


def _kind(problem: FileProblem) -> str:
    if problem.missing:
        return IN_FILE
    return IN_CONFIG if problem.config else IN_GHOST if problem.ghost else IN_FILE

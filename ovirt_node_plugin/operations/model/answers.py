"""The JSON answers of ``dnf node-plugin`` that ``ovirt-node-plugin`` reads.

``dataclasses.asdict`` writes their fields, and ``json_answer.read`` reads them. They are
described in dnf-node-plugin(8). Sizes are in bytes, packages are NEVRAs.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence, Tuple

from ...errors import DisputedFile, NodePluginError, Refused
from ...packages.session import PackageChange
from ...system.json_data import Data, plain
from ...target import Target
from .plan_digest import digest_of
from .results import (
    Check,
    Notable,
    Plan,
    PluginAction,
    PluginState,
    RecordCorrection,
    ReplacedPackage,
    Signature,
    Space,
    Unrepaired,
)


@dataclass(frozen=True)
class TargetAnswer:
    """The root of a plan, with fields of ``Target``."""

    root: str
    kind: str
    name: str
    version: str
    live: bool

    @classmethod
    def of(cls, target: Target) -> TargetAnswer:
        """Return the part of an answer for ``target``."""
        return cls(root=str(target.root), kind=target.kind, name=target.name,
                   version=target.version, live=target.booted)


@dataclass(frozen=True)
class PackageAnswer:
    """A package of a plan, with fields of ``PackageChange``; ``files`` is their number."""

    action: str
    name: str
    nevra: str
    repo: str
    size_bytes: int
    download_bytes: int
    checksum: str
    signed: bool
    signer: str
    files: int

    @classmethod
    def of(cls, change: PackageChange) -> PackageAnswer:
        """Return the part of an answer for ``change``."""
        return cls(
            action=change.action, name=change.name, nevra=change.nevra, repo=change.repo,
            size_bytes=change.size_bytes, download_bytes=change.download_bytes,
            checksum=change.checksum, signed=change.signed, signer=change.signer,
            files=len(change.files))


@dataclass(frozen=True)
class PlanAnswer:
    """The answer of ``install``, ``upgrade``, ``repair`` and ``remove``, with fields of ``Plan``.

    ``done`` tells whether the plan was carried out; it is None for a plan in the answer of
    ``info``, which has no ``digest`` (see ``plan_digest``). ``deltas`` are the changes of a
    removal as data, one of each plugin. ``table`` is the transaction as dnf prints it.
    """

    operation: str
    target: TargetAnswer
    changes: bool
    plugins: Tuple[PluginAction, ...]
    packages: Tuple[PackageAnswer, ...]
    signatures: Tuple[Signature, ...]
    space: Optional[Space]
    noteworthy: Tuple[Notable, ...]
    disputed_files: Tuple[DisputedFile, ...]
    replaced: Tuple[ReplacedPackage, ...]
    notes: Tuple[str, ...]
    table: str = ""
    done: Optional[bool] = None
    deltas: Tuple[Mapping[str, object], ...] = ()
    unrepaired: Tuple[Unrepaired, ...] = ()
    digest: str = ""

    @classmethod
    def of(cls, plan: Plan, *, done: Optional[bool] = None,
           deltas: Sequence[Mapping[str, object]] = ()) -> PlanAnswer:
        """Return the answer for ``plan``."""
        return cls(
            operation=plan.operation, target=TargetAnswer.of(plan.target),
            changes=plan.changes, plugins=plan.plugins,
            packages=tuple(map(PackageAnswer.of, plan.packages)), signatures=plan.signatures,
            space=plan.space, noteworthy=plan.noteworthy, disputed_files=plan.disputed_files,
            replaced=plan.replaced, notes=plan.notes, table=plan.table, done=done,
            deltas=tuple(deltas), unrepaired=plan.unrepaired,
            digest="" if done is None else digest_of(plan))

    def to_data(self) -> Data:
        """Return the answer as data, without its format."""
        data: Data = dataclasses.asdict(self)
        if self.done is None:
            del data["done"]
        for name in ("deltas", "unrepaired", "digest"):
            if not data[name]:
                del data[name]
        return data


@dataclass(frozen=True)
class ChangesAnswer:
    """Whether plugins of a root can be changed, and otherwise the error of every change.

    ``status`` is the exit status of a change, 0 if it is ``allowed``; ``lines`` are as in
    ``Refused``.
    """

    allowed: bool
    status: int = 0
    message: str = ""
    hint: str = ""
    lines: Tuple[str, ...] = ()

    @classmethod
    def of(cls, refusal: Optional[NodePluginError]) -> ChangesAnswer:
        """Return the part of an answer for ``refusal``, the error of every change."""
        if refusal is None:
            return cls(allowed=True)
        return cls(allowed=False, status=int(refusal.status), message=refusal.message,
                   hint=refusal.hint,
                   lines=refusal.lines if isinstance(refusal, Refused) else ())


@dataclass(frozen=True)
class ListedTarget(TargetAnswer):
    """The root whose plugins are listed, and whether they can be changed there."""

    image_mode: bool
    deployed: bool
    changes: ChangesAnswer

    @classmethod
    def of_refusal(cls, target: Target, refusal: Optional[NodePluginError]) -> ListedTarget:
        """Return the part of an answer for ``target``; ``refusal`` as in ``ChangesAnswer``."""
        return cls(**vars(TargetAnswer.of(target)), image_mode=target.image_mode,
                   deployed=target.deployed, changes=ChangesAnswer.of(refusal))


@dataclass(frozen=True)
class ListAnswer:
    """The answer of ``list``."""

    target: ListedTarget
    plugins: Tuple[PluginState, ...]


@dataclass(frozen=True)
class VerifyAnswer:
    """The answer of ``verify``; ``ok`` is true if no plugin has problems.

    With the option --strict, notes count as problems. ``next_step`` is the command that
    repairs the plugins, empty if there is nothing to repair. ``corrections`` are those of
    --reconcile.
    """

    ok: bool
    plugins: Tuple[Check, ...]
    next_step: str = ""
    corrections: Tuple[RecordCorrection, ...] = ()

    @classmethod
    def of(cls, checks: Sequence[Check], *, strict: bool = False, next_step: str = "",
           corrections: Tuple[RecordCorrection, ...] = ()) -> VerifyAnswer:
        """Return the answer for the results ``checks``."""
        return cls(ok=not any(check.problems or strict and check.notes for check in checks),
                   plugins=tuple(checks), next_step=next_step, corrections=corrections)

    def to_data(self) -> Data:
        """Return the answer as data, without its format."""
        data = plain(self)
        if not self.corrections:
            del data["corrections"]
        return data

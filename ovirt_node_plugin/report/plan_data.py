"""Results as plain data, the forms of ``--json``; described in dnf-node-plugin(8).

Every document is one object with ``format`` (1). Within a format names are only
added. Sizes are in bytes, times ISO 8601 in UTC, packages NEVRAs.
"""
from __future__ import annotations

import dataclasses
from typing import Sequence

from ..errors import Drifted, NeedsNewerImage, NodePluginError, PathsRefused
from ..operations.model.results import Check, Plan, PluginInfo, PluginState
from ..packages.repos import RepoState
from ..packages.session import PackageChange
from ..system.json_data import Data
from ..target import Target


def plan(result: Plan) -> Data:
    """Return a plan: everything that would change, and on what."""
    return {
        "operation": result.operation,
        "target": _target(result.target),
        "changes": result.changes,
        "plugins": [dataclasses.asdict(plugin) for plugin in result.plugins],
        "packages": [_package(change) for change in result.packages],
        "signatures": [dataclasses.asdict(one) for one in result.signatures],
        "space": dataclasses.asdict(result.space) if result.space is not None else None,
        "noteworthy": [dataclasses.asdict(one) for one in result.noteworthy],
        "disputed_files": [dataclasses.asdict(one) for one in result.disputed_files],
        "notes": list(result.notes),
    }


def listing(states: Sequence[PluginState]) -> Data:
    """Return ``plugins``: what ``list`` found."""
    return {"plugins": [dataclasses.asdict(state) for state in states]}


def infos(found: Sequence[PluginInfo]) -> Data:
    """Return ``plugins``: what ``info`` found, the state's fields on the first level."""
    plugins = []
    for one in found:
        data = dataclasses.asdict(dataclasses.replace(one, plan=None))
        data["plan"] = plan(one.plan) if one.plan is not None else None
        plugins.append({**data.pop("state"), **data})
    return {"plugins": plugins}


def checks(found: Sequence[Check]) -> Data:
    """Return ``plugins`` and whether ``all`` is well."""
    return {"ok": not any(check.problems for check in found),
            "plugins": [dataclasses.asdict(check) for check in found]}


def repos(states: Sequence[RepoState]) -> Data:
    """Return ``repos``: every repository in play."""
    return {"repos": [dataclasses.asdict(state) for state in states]}


def error(exc: NodePluginError) -> Data:
    """Return ``error``: its ``status``, ``kind``, ``message``, ``hint``, and what it names."""
    found: Data = {"status": int(exc.status), "kind": type(exc).__name__,
                   "message": exc.message, "hint": exc.hint}
    if isinstance(exc, NeedsNewerImage):
        found["packages"] = list(exc.packages)
    if isinstance(exc, Drifted):
        found["paths"] = list(exc.paths)
    if isinstance(exc, PathsRefused):
        found["disputed_files"] = [dataclasses.asdict(one) for one in exc.files]
    return {"error": found}


def _target(target: Target) -> Data:
    return {"root": str(target.root), "kind": target.kind, "name": target.name,
            "version": target.version, "live": target.live}


def _package(change: PackageChange) -> Data:
    data = {field.name: getattr(change, field.name) for field in dataclasses.fields(change)
            if field.name != "header"}
    data["files"] = len(change.files)
    return data

"""The results of ``info`` and ``repos`` as plain data, for ``dnf node-plugin --json``.

The format is described in dnf-node-plugin(8). Sizes are in bytes, times ISO 8601 in UTC,
packages NEVRAs. The answers that another program reads are in ``operations/model/answers``.
"""
from __future__ import annotations

import dataclasses
from typing import Sequence

from ..operations.model.answers import PlanAnswer
from ..operations.model.results import PluginInfo
from ..packages.repos import RepoState
from ..system.json_data import Data


def infos(plugins: Sequence[PluginInfo]) -> Data:
    """Return the plugins of ``info``, with the fields of their state on the first level."""
    return {"plugins": [_info(plugin) for plugin in plugins]}


def repos(states: Sequence[RepoState]) -> Data:
    """Return the repositories of the run."""
    return {"repos": [dataclasses.asdict(state) for state in states]}


def _info(plugin: PluginInfo) -> Data:
    data = dataclasses.asdict(dataclasses.replace(plugin, plan=None))
    if plugin.plan is not None:
        data["plan"] = PlanAnswer.of(plugin.plan).to_data()
    return {**data.pop("state"), **data}

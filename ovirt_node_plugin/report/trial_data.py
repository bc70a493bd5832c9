"""The results of ``ovirt-node-plugin try`` as JSON.

The format is described in ovirt-node-plugin(8). Within a format, names are only added.
"""
from __future__ import annotations

import dataclasses

from ..authoring.trial.trial_results import Cell, Matrix, Trial, TrialStep
from ..system.json_data import Data


def matrix(result: Matrix) -> Data:
    """Return the answer of ``try``."""
    return {
        "ok": result.passed, "notes": list(result.notes),
        "plugins": [dataclasses.asdict(plugin) for plugin in result.plugins],
        "images": [dataclasses.asdict(image) for image in result.images],
        "cells": [_cell(cell) for cell in result.cells]}


def _cell(cell: Cell) -> Data:
    return {"plugin": cell.plugin.path, "image": cell.image.path, "ok": cell.passed,
            "trials": [_trial(trial) for trial in cell.trials]}


def _trial(trial: Trial) -> Data:
    return {"trial": trial.kind, "other": trial.other.path if trial.other is not None else "",
            "steps": [_step(step) for step in trial.steps]}


def _step(step: TrialStep) -> Data:
    data: Data = {
        "step": step.name, "outcome": step.outcome, "because": step.because,
        "left": [{"path": f"/{left.path}", "kind": left.kind, "details": list(left.details)}
                 for left in step.left], "notes": list(step.notes)}
    return {**data, **step.error.to_data()} if step.error is not None else data

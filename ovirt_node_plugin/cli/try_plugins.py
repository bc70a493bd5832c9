"""The command ``ovirt-node-plugin try``."""
from __future__ import annotations

import dataclasses
from pathlib import Path

from ..authoring.trial.trials import Tools, TrialOrder, tried
from ..policy.key_trust import read_trust
from ..report import junit, trial_data, trial_text
from ..system.entries import write_atomic
from ..system.json_answer import ErrorAnswer
from . import hints
from .program import Invocation


def try_plugins(invocation: Invocation) -> int:
    """Try plugins in images, and show the result of each."""
    options = invocation.options
    folders = [invocation.folder / invocation.image_folder(number)
               for number in range(len(invocation.images))]

    def reworded(error: ErrorAnswer, image: Path) -> ErrorAnswer:
        hint = hints.for_image(invocation.shown.text(error.hint), image=str(image))
        return dataclasses.replace(error, message=invocation.shown.text(error.message), hint=hint)

    result = tried(
        TrialOrder(plugins=tuple(dict.fromkeys(options.bundles)), images=invocation.images,
              older=tuple(options.older_bundles), others=tuple(options.others),
              payload=options.payload, parameters=tuple(options.set_values),
              trust=read_trust(options.trust_key, every=options.trust_keys),
              allow_replace=tuple(options.allow_replace), unchecked=options.nogpgcheck),
        folders, Tools(invocation.dnf, invocation.run, invocation.progress, reworded))
    if options.junit is not None:
        write_atomic(options.junit, junit.document(result), mode=0o644)
    invocation.answer(trial_data.matrix(result), trial_text.matrix(result))
    return result.status

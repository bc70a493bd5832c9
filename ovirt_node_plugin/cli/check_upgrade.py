"""``dnf node-plugin check-upgrade``: open the image in a child process and check it there."""
from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from ..config import Config
from ..errors import NodePluginError, Refused
from ..images import workspace
from ..images.dnf_program import Dnf
from ..images.image import opened
from ..merge.input.named_checksums import NamedChecksums, check_image, named_checksums
from ..system.json_data import typed
from ..system.namespaces import call_apart
from ..system.progress import Progress
from ..system.run import run
from ..target import Target
from ..upgrade.check import CheckUpgradeAnswer, check
from .dnf_arguments import DnfOptions
from .shown import ShownPaths
from .signals import signals_raised


def check_upgrade(options: DnfOptions, target: Target, config: Config, *, dnf: Dnf,
                  progress: Progress) -> CheckUpgradeAnswer:
    """Return what becomes of the plugins of ``target`` in the image of the command line.

    Errors are those of ``upgrade.check.check`` and ``named_checksums.check_image``, and Refused
    for a user who may not mount images.
    """
    if os.geteuid() != 0:
        raise Refused("an image can be mounted only by the superuser",
                      hint="Run the command as root.")
    list_file, key = (Path(name) if name else None
                      for name in (options.checksum_file, options.checksum_key))
    checksums = named_checksums(options.sha256, list_file, key)
    path = Path(options.names[0])
    with signals_raised(), workspace.work_folder(workspace.default_parent()) as folder:
        shown = ShownPaths(os.path.abspath(path), {})
        shown.add_folder(folder, folder.parent)

        def work() -> str:
            answer = _check(path, options.payload, checksums, target, config, folder, dnf,
                            progress)
            return json.dumps(shown.data(dataclasses.asdict(answer)))

        try:
            return typed(CheckUpgradeAnswer, json.loads(call_apart(work)))
        except NodePluginError as exc:
            exc.message, exc.hint = shown.text(exc.message), shown.text(exc.hint)
            raise


def _check(path: Path, payload: str, checksums: NamedChecksums, target: Target, config: Config,
           folder: Path, dnf: Dnf, progress: Progress) -> CheckUpgradeAnswer:
    """Check the image in a process with namespaces of its own; its mounts end with it."""
    temporary = folder / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)  # removed with the work folder
    checked = check_image(path, checksums, run=run, progress=progress)
    checked.digests.require_undamaged()
    with opened(path, folder, payload=payload, run=run) as image:
        return check(image, target, config, folder, dnf=dnf, run=run)

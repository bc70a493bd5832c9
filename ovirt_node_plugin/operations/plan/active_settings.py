"""Settings that change units of others, and the files of bundles, as items to review."""
from __future__ import annotations

from typing import Iterator, Sequence, Tuple

from ...settings.config_files import library_cache
from ...settings.placed import tmpfiles
from ..model.jobs import Job
from ..model.results import UNIT, Notable
from .active_units import whose

_UNITS = "etc/systemd/system"


def notables(jobs: Sequence[Job]) -> Iterator[Notable]:
    """Yield the masks and drop-ins by which plugins change units that they do not bring."""
    for job in jobs:
        context = job.context
        own = {path.rpartition("/")[2] for path in context.files if "/systemd/system/" in path}
        for item in job.upgrade.order:
            unit = item.key.partition("/")[0]
            if unit in own:
                continue
            theirs = whose(unit, context.root, context.facts.owner)
            if item.kind == "service" and item.value != "enabled":
                verb = "masks" if item.value == "masked" else "disables"
                yield Notable(f"plugin {job.name}", UNIT, f"/{_UNITS}/{unit}", f"{verb} {theirs}")
            elif item.kind == "unit-drop-in":
                yield Notable(f"plugin {job.name}", UNIT, f"/{_UNITS}/{unit}.d/"
                              f"{item.key.partition('/')[2]}", f"changes {theirs}")


def texts(jobs: Sequence[Job]) -> Iterator[Tuple[str, str, str]]:
    """Yield the plugin, the place and the text of files of settings, as ``of_text`` takes them.

    The plan shows lines of the text, so it has no secret.
    Those of tmpfiles.d(5) are here only if they are of a bundle, as those of packages are
    among the packages' files.
    """
    for job in jobs:
        for item in job.upgrade.order:
            content = job.context.shown_files.get(item.value)
            folder, _, name = item.key.partition("/")
            if item.kind == tmpfiles.KIND and content is not None:
                yield (f"plugin {job.name}", f"/etc/tmpfiles.d/{item.key}",
                       content.decode(errors="replace"))
            elif item.kind == "config-file" and folder == library_cache.FOLDER_ID:
                known = content or job.context.package_files.get(item.value, b"")
                yield (f"plugin {job.name}", f"/etc/ld.so.conf.d/{name}",
                       known.decode(errors="replace"))

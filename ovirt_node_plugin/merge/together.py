"""Several images in one merge: of one version, each with a plan of its own, all or none."""
from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import NodePluginError, OutsideRoot, Reason, Refused, Status
from ..images.image import ISO, RPM, Image, image_kind
from ..images.workspace import Destination, place_all
from ..system.path_sets import IMAGE_VERSION
from ..system.paths import read_inside
from ..target import identify
from . import disk_space, forecast, trust
from .merge import carry_out, packages_by_plugin
from .model import Merge, MergeResult, Order, Rehearsal

# Options of a merge that only one kind of image has, with the values that change nothing
_OPTIONS_OF_KIND: Mapping[str, Mapping[str, object]] = {
    ISO: {"volume_id": "", "keep_bundles": False, "payload": ""},
    RPM: {"site_tag": "", "sign_key": ""}}


@dataclass(frozen=True)
class PlannedMerge:
    """The merge of one image, and its plan.

    ``notes`` are for people. ``untrusted`` and ``other_origins`` are the errors for what somebody
    has to accept: keys, and plugins of another origin.
    """

    merge: Merge
    rehearsal: Rehearsal
    notes: Tuple[str, ...]
    untrusted: Optional[Refused] = None
    other_origins: Optional[Refused] = None

    @property
    def path(self) -> Path:
        """The path of the image, as it was given."""
        return self.merge.order.image

    def with_refusals(self) -> PlannedMerge:
        """Return the plan with what would be refused as notes."""
        return dataclasses.replace(self, notes=(*self.notes, *(
            text for refused in (self.untrusted, self.other_origins) if refused is not None
            for text in (refused.message, refused.hint))))

    def require_trusted(self) -> None:
        """Raise the error for packages that are signed by keys which nobody has accepted."""
        if self.untrusted is not None:
            raise self.untrusted

    def require_accepted(self) -> None:
        """Raise the error for plugins of another origin that nobody has accepted."""
        if self.other_origins is not None:
            raise self.other_origins


class ImagesRefused(NodePluginError):
    """Images that cannot be merged; the message has the reason for each.

    ``failures`` are the errors by the path of the image. Equal ones are told once.
    """

    def __init__(self, failures: Mapping[str, NodePluginError]) -> None:
        names: Dict[str, List[str]] = {}
        for name, failure in failures.items():
            names.setdefault(failure.message, []).append(name)
        errors = {failure.message: failure for failure in failures.values()}
        lines = ["not all of the images can be merged:"]
        for message, error in errors.items():
            lines += Reason(error, tuple(names[message])).lines
        hints = dict.fromkeys(error.hint for error in errors.values() if error.hint)
        super().__init__("\n".join(lines),
                         hint="\n".join([*hints, "No image was written."]))
        statuses = {failure.status for failure in failures.values()}
        self.status = statuses.pop() if len(statuses) == 1 else Status.REFUSED


def order_for(order: Order, image: Path, images: Collection[Path]) -> Order:
    """Return ``order`` for one of the ``images``.

    An option for one kind of image is left out for the others if there is one of that kind.
    """
    kinds = {path: image_kind(path) for path in images}
    neutral: Dict[str, object] = {}
    for kind, values in _OPTIONS_OF_KIND.items():
        if kind in kinds.values() and kinds[image] != kind:
            neutral.update(values)
    return dataclasses.replace(order, image=image, **neutral)  # type: ignore[arg-type]


def require_one_version(images: Sequence[Image]) -> None:
    """Raise Refused if the open ``images`` contain different versions of a system.

    Two images of Node are of one version if imgbased has written the same name into them, apart
    from the site tags of merges.
    """
    names = [_image_version(image.root) for image in images]
    if not all(names):
        names = [identify(image.root).name for image in images]
    untagged = min(names, key=len)
    if not all(re.fullmatch(rf"{re.escape(untagged)}(\.[A-Za-z]+[0-9]*)*", name)
               for name in names):
        lines = [f"  {image.layout.path}: {name}" for image, name in zip(images, names)]
        raise Refused("\n".join(["the images are not of one version:", *lines]),
                      hint="Merge images of different versions by a command for each.")


def _image_version(root: Path) -> str:
    try:
        text = read_inside(root, IMAGE_VERSION).decode(errors="replace").strip()
    except (OSError, OutsideRoot):
        return ""
    return re.sub(r"(\.site[0-9]+)+$", "", text)


def planned(merge: Merge, rehearsal: Rehearsal, *, notes: Sequence[str],
            accepted_origins: Collection[str]) -> PlannedMerge:
    """Return the plan of ``merge``. Raises Refused as ``forecast.notes``."""
    return PlannedMerge(
        merge=merge, rehearsal=rehearsal, notes=(*notes, *forecast.notes(merge, rehearsal)),
        untrusted=trust.untrusted_signatures(rehearsal, merge.order.trust),
        other_origins=trust.refused_origins(rehearsal, merge.order, accepted_origins))


def write_all(plans: Sequence[PlannedMerge], destinations: Sequence[Destination],
              work: Path) -> Tuple[Optional[MergeResult], ...]:
    """Write the images of ``plans`` to ``destinations``, all or none; return the results.

    The result of an image that the plan does not change is None: it has no output. ``work`` is
    the work folder of all. Raises RolledBack as ``carry_out`` and ``disk_space.check``.
    """
    changing = [(plan, destination) for plan, destination in zip(plans, destinations)
                if plan.rehearsal.changes]
    disk_space.check(work, [
        disk_space.SpaceNeed(
            image=plan.merge.image, output=destination.target,
            needed_bytes=plan.rehearsal.needed_bytes,
            recompressed=plan.merge.order.recompress is not None)
        for plan, destination in changing])
    results = {plan.path: carry_out(plan.merge, plan.rehearsal, destination.target)
               for plan, destination in changing}
    place_all([destination for _, destination in changing])
    return tuple(results[plan.path].without(plan.notes) if plan.path in results else None
                 for plan in plans)


def same_plugins(plans: Sequence[PlannedMerge],
                 results: Sequence[Optional[MergeResult]]) -> Tuple[bool, Tuple[str, ...]]:
    """Return whether all images now have the same plugins and packages, and lines about it."""
    contents = {
        str(plan.path): result.packages if result is not None else packages_by_plugin(
            plan.merge.image.root) for plan, result in zip(plans, results)}
    differences = tuple(_differences(contents))
    if differences:
        return False, differences
    names = ", ".join(next(iter(contents.values()), ())) or "none"
    return True, (f"All {len(plans)} images have the same plugins with the same packages:"
                  f" {names}.",)


def _differences(contents: Mapping[str, Mapping[str, Tuple[str, ...]]]) -> Iterator[str]:
    """Yield a line on each plugin that not all images have with the same packages."""
    items = sorted({item for plugins in contents.values() for item in plugins.items()})
    for plugin, packages in items:
        images = [image for image, plugins in contents.items() if plugins.get(plugin) == packages]
        if len(images) < len(contents):
            yield (f"Plugin {plugin} with {', '.join(packages) or 'no packages'} is only in"
                   f" {', '.join(images)}.")

"""Look at the new layer after the RPM of an image was installed on a running Node.

The RPM's %post runs ``imgbase update``, which makes the layer and removes what it made if it fails
(imgbased 1.2.26: plugins/update.py, plugins/osupdater.py). rpm and dnf count the RPM as installed
even then.
"""
from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from ..config import RESTORE, Config
from ..errors import CommandError, NodePluginError, Refused, RolledBack
from ..images.dnf_program import Dnf
from ..images.mounts import mounted
from ..images.workspace import default_parent, work_folder
from ..images.writable import writable
from ..plugin.library import Library
from ..registry import image_copy, store
from ..registry.store import Registry
from ..system.entries import write_atomic
from ..system.json_data import typed
from ..system.namespaces import call_apart
from ..system.run import Runner
from .layers import (
    Layer,
    added_layer,
    check_image,
    entry_index,
    read_layers,
    running_layer,
)
from .restore import restore
from .survival import Fate, fates, read_nevras

UPDATED = Path("/var/imgbased/.image-updated")
"""What imgbased writes when an upgrade is complete; the Engine's role of upgrades looks for it."""
REPEAT = "dnf reinstall ovirt-node-ng-image-update"
"""The command that makes a layer again; the RPM counts as installed."""
# What imgbased stops during an upgrade: osupdater.preprocess
_SERVICES = ("vdsmd.service", "supervdsmd.service", "vdsm-network.service")
_ROOT = Path("/")


@dataclass(frozen=True)
class Before:
    """The state before the transaction: the running layer, all layers, services that run.

    ``var_shared`` tells whether mounts below /var are shared with other namespaces.
    """

    running: Layer
    layers: Tuple[Layer, ...]
    services: Tuple[str, ...]
    var_shared: bool


@dataclass(frozen=True)
class Outcome:
    """What becomes of the plugins with ``layer``.

    ``restored`` are the names of those that were installed into it, ``notes`` are for people.
    """

    layer: str
    fates: Tuple[Fate, ...]
    restored: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()

    @property
    def lost(self) -> Tuple[Fate, ...]:
        """The plugins that do not survive."""
        return tuple(fate for fate in self.fates if not fate.survives)


def before_update(run: Runner) -> Before:
    """Return the state before an image's RPM is installed.

    Raises NodePluginError, before anything is changed, if the layers cannot be found.
    """
    layers = read_layers(run)
    propagation = run(["findmnt", "--noheadings", "--output", "PROPAGATION", "/var"], ok=(0, 1))
    return Before(running_layer(layers, run), layers, _active(run), "shared" in propagation)


def new_layer(before: Before, run: Runner) -> Optional[Layer]:
    """Return the layer that was added since ``before``, None if there is not exactly one."""
    return added_layer(before.layers, read_layers(run), before.running.group)


def check_complete(layer: Optional[Layer]) -> Layer:
    """Return ``layer``; raise NodePluginError unless imgbased completed an upgrade to it."""
    if layer is None or not UPDATED.exists():
        raise NodePluginError("imgbased did not complete the new layer",
                              hint="Its messages are in /var/log/imgbased.log. If imgbase layout"
                              " shows the new image already, as after a crash, run first: imgbase"
                              " base --remove IMAGE")
    return layer


def examine(before: Before, layer: Layer, config: Config, dnf: Dnf) -> Outcome:
    """Return what ``layer``, made since ``before``, has of the plugins of the running system.

    It is mounted in a namespace of its own, and written only to restore plugins. Raises
    NodePluginError if that fails.
    """
    with work_folder(default_parent()) as work:
        answer = call_apart(lambda: _examined(before.running, layer, config, dnf, work))
    return typed(Outcome, json.loads(answer))


def undone(before: Before, layer: Optional[Layer], reason: NodePluginError,
           run: Runner) -> RolledBack:
    """Undo the upgrade to ``layer``; return the error that says why, and what remains to do.

    A base and its layers have to go before the same image can be installed again: lvcreate(8)
    refuses a second volume of the same name. imgbased removes boot entries with them, but not
    the default (osupdater.remove_boot), which is set first.
    """
    problems: List[str] = []

    @contextlib.contextmanager
    def attempt(step: str) -> Iterator[None]:
        try:
            yield
        except (OSError, NodePluginError) as exc:
            problems.append(f"{step}: {exc}")

    with attempt(f"rm -f {UPDATED}"):
        UPDATED.unlink(missing_ok=True)
    if layer is None:
        with attempt("imgbase layout, and imgbase base --remove IMAGE for each image that is new"):
            _require_no_layer(before, run)
    if layer is not None or problems:
        with attempt("grubby --set-default-index=INDEX, with that of the entry of"
                     f" {before.running.name} in grubby --info=ALL"):
            _set_default(before.running, run)
    if layer is not None:
        with attempt(f"imgbase base --remove {layer.image}"):
            run(["imgbase", "base", "--remove", layer.image])
    if before.var_shared:  # imgbased makes it private until an upgrade has ended well
        with attempt("mount --make-rshared /var"):
            run(["mount", "--make-rshared", "/var"])
    if before.services:
        with attempt(f"systemctl start {' '.join(before.services)}"):
            run(["systemctl", "start", "--", *before.services])
    lines = [f"the upgrade of this Node failed: {reason.message}"]
    if problems:
        lines += ["It is not undone completely. Run:", *(f"  {line}" for line in problems)]
    elif layer is not None:
        lines.append(f"It is undone: {before.running.name} boots next.")
    else:
        lines.append("There is no new layer, and the boot entries are as before.")
    return RolledBack("\n".join(lines), hint="\n".join(filter(None, (
        reason.hint, f"To upgrade again: {REPEAT}"))))


def _require_no_layer(before: Before, run: Runner) -> None:
    """Raise NodePluginError if there are layers that were added since ``before``."""
    added = [layer.name for layer in read_layers(run) if layer not in before.layers]
    if added:
        raise NodePluginError(f"the layers {', '.join(added)} are new")


def _active(run: Runner) -> Tuple[str, ...]:
    """Return those of the services that run."""
    try:
        states = run(["systemctl", "is-active", "--", *_SERVICES], ok=range(256)).split()
    except CommandError:  # there is no systemd
        return ()
    return tuple(unit for unit, state in zip(_SERVICES, states) if state == "active")


def _examined(running: Layer, layer: Layer, config: Config, dnf: Dnf, work: Path) -> str:
    for name in ("layer", "changes", "view"):
        (work / name).mkdir()
    found = _compared(layer, work, dnf.run)
    lost = [fate.name for fate in found if not fate.survives]
    if not lost or config.upgrade != RESTORE:
        return json.dumps(dataclasses.asdict(Outcome(layer.name, found)))
    registry = store.read_registry(_ROOT)
    damaged = [name for name in lost if name in registry.damaged]
    if damaged:
        raise Refused(f"plugins whose records are damaged cannot be restored: {', '.join(damaged)}",
                      hint="To see the damage: dnf node-plugin verify")
    with _withheld(running, layer, dnf.run), mounted(
            layer.path, work / "layer", run=dnf.run) as root:
        notes = restore(layer, root, [registry.records[name] for name in lost],
                        running=_ROOT, library=Library(config.library), dnf=dnf,
                        boot=Path("/boot"), work=work)
        after = _fates(root, dnf.run)
    failed = [fate.name for fate in after if not fate.survives]
    if failed:
        raise RolledBack(f"plugins are not in the new layer after the restore: {', '.join(failed)}")
    return json.dumps(dataclasses.asdict(Outcome(layer.name, after, tuple(lost), notes)))


@contextlib.contextmanager
def _withheld(running: Layer, layer: Layer, run: Runner) -> Iterator[None]:
    """Take ``layer`` out of use until the ``with`` block has ended without an error.

    If this machine crashes meanwhile, it boots the running layer again, and without the mark of
    a complete upgrade the Engine reports a failed one.
    """
    data = UPDATED.read_bytes()
    UPDATED.unlink()
    _set_default(running, run)
    yield
    _set_default(layer, run)
    write_atomic(UPDATED, data)


def _compared(layer: Layer, work: Path, run: Runner) -> Tuple[Fate, ...]:
    """Return the fates of the plugins; the layer is not changed."""
    with mounted(layer.path, work / "layer", options=["ro", "nodev", "nosuid", "noexec"],
                 run=run) as tree:
        check_image(layer, tree)
        with writable(tree, work / "changes", work / "view", copied=False,
                      options=["nodev", "nosuid", "noexec"], run=run) as root:
            return _fates(root, run)


def _fates(root: Path, run: Runner) -> Tuple[Fate, ...]:
    """Return the fates of the plugins in the layer at ``root``.

    imgbased has copied /etc of the running layer there (osupdater.migrate_etc), so that a plugin
    which the image lacks may have a record there.
    """
    new, nevras = store.read_registry(root), read_nevras(root, run=run)
    copied = image_copy.outlived(root, new.records, nevras)
    records = {name: record for name, record in new.records.items() if name not in copied}
    return fates(store.read_registry(_ROOT), Registry(records, new.damaged), nevras)


def _set_default(layer: Layer, run: Runner) -> None:
    """Make the boot entry of ``layer`` the default, as imgbased does (Grubby.set_default)."""
    index = entry_index(run(["grubby", "--info=ALL"]), layer)
    if not index:
        raise NodePluginError(f"grubby shows no boot entry of {layer.name}")
    run(["grubby", f"--set-default-index={index}"])

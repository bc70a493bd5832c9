"""What dnf does and says when the RPM of an image is installed on a running Node."""
from __future__ import annotations

import contextlib
from typing import List, Optional, Sequence

from ..config import REFUSE, Config
from ..errors import NodePluginError, Refused, RolledBack
from ..images.dnf_program import Dnf
from ..report.upgrade_text import fate_lines
from ..system.run import run
from ..upgrade import hook
from ..upgrade.layers import Layer
from .signals import signals_ignored, signals_raised

_CONFIGURATION = "/etc/dnf/plugins/node-plugin.conf"


class ImageUpdate:
    """An upgrade of the running Node; made before its transaction, finished after it.

    ``options`` are those of dnf with which the program that restores plugins is started.
    Raises NodePluginError if the layers of this Node cannot be found.
    """

    def __init__(self, config: Config, options: Sequence[str]) -> None:
        self._config = config
        self._dnf = Dnf(tuple(options), run)
        self._before = hook.before_update(run)
        self.complete = False

    def finish(self) -> str:
        """Examine the new layer, restore plugins if that is configured; return the result.

        ``complete`` is then whether every plugin survives. Raises RolledBack, after the upgrade
        was undone, if it failed or the configuration refuses it.
        """
        with signals_raised():
            return self._finished()

    def _finished(self) -> str:
        layer: Optional[Layer] = None
        try:
            layer = hook.new_layer(self._before, run)
            new = hook.check_complete(layer)
            outcome = hook.examine(self._before, new, self._config, self._dnf)
            if outcome.lost and self._config.upgrade == REFUSE:
                raise Refused("\n  ".join([f"the new layer {outcome.layer} does not have these"
                                           " plugins of this Node:", *fate_lines(outcome.lost)]),
                              hint=_advice(outcome))
        except NodePluginError as exc:
            raise self._undone(layer, exc) from exc
        except Exception as exc:  # a bug: the machine must not boot what nobody examined
            raise self._undone(layer, NodePluginError(f"{type(exc).__name__}: {exc}")) from exc
        self.complete = not outcome.lost
        return "\n".join(_lines(outcome, new))

    def _undone(self, layer: Optional[Layer], reason: NodePluginError) -> RolledBack:
        """Undo the upgrade; a signal may have ended the search for its ``layer``."""
        with signals_ignored():
            if layer is None:
                with contextlib.suppress(NodePluginError):
                    layer = hook.new_layer(self._before, run)
            return hook.undone(self._before, layer, reason, run)


def _lines(outcome: hook.Outcome, layer: Layer) -> List[str]:
    notes = [f"  {fate.name}: {note}" for fate in outcome.fates if fate.survives
             for note in fate.notes]
    if not outcome.lost:
        restored = f"; restored: {', '.join(outcome.restored)}" if outcome.restored else ""
        return [f"The new layer {outcome.layer} has every plugin of this Node, in the same or a"
                f" newer version{restored}.", *notes, *outcome.notes]
    return [f"The new layer {outcome.layer} does not have these plugins of this Node:",
            *(f"  {line}" for line in fate_lines(outcome.lost)), *notes,
            _advice(outcome),
            "To make the layer again before the reboot:"
            f" imgbase base --remove {layer.image} && {hook.REPEAT}"]


def _advice(outcome: hook.Outcome) -> str:
    names = " ".join(fate.name for fate in outcome.lost)
    return ("To keep them, merge them into the image (ovirt-node-plugin merge RPM"
            f" {names} -o DIR) and install that RPM, or set upgrade = restore in"
            f" {_CONFIGURATION}.")

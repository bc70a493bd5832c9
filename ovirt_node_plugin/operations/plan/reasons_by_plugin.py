"""Which of several plugins cannot be installed, and why."""
from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ...errors import NodePluginError, PathsRefused, Reason, Refused, SeveralReasons
from ...plugin.bundle import Bundle
from ...target import Target


def reasons(bundles: Sequence[Bundle], error: NodePluginError,
            failure: Callable[[Sequence[Bundle]], Optional[NodePluginError]],
            target: Target) -> NodePluginError:
    """Return ``error``, why ``bundles`` cannot be installed together, by plugin if possible.

    ``failure`` returns why some of them cannot be installed, None if they can.
    """
    if len(bundles) == 1:
        return _by_plugin({bundles[0].descriptor.name: error}, target) if isinstance(
            error, SeveralReasons) else error
    failures: Dict[str, NodePluginError] = {}
    fitting: List[Bundle] = []
    for bundle in bundles:
        failed = failure([bundle])
        if failed is None:
            fitting.append(bundle)
        else:
            failures[bundle.descriptor.name] = failed
    for bundle in bundles:  # one that needs another plugin
        name = bundle.descriptor.name
        if fitting and name in failures and failure([*fitting, bundle]) is None:
            fitting.append(bundle)
            del failures[name]
    if len({failed.message for failed in failures.values()}) == 1 and not fitting:
        return error  # not one about a plugin
    together = failure(fitting) if failures and len(fitting) > 1 else None if failures else error
    group, together = _smallest(fitting, together, failure) if together else ([], None)
    if together is not None:
        names = ", ".join(bundle.descriptor.name for bundle in group)
        together.hint = "\n".join(filter(None, (
            together.hint, f"Each of the plugins {names} can be installed alone.")))
        if len(group) == len(bundles):
            return together
        failures[names] = together
    return _by_plugin(failures, target, joint=error, fitting=[
        bundle.descriptor.name for bundle in fitting if bundle not in group])


def _smallest(bundles: Sequence[Bundle], error: NodePluginError,
              failure: Callable[[Sequence[Bundle]], Optional[NodePluginError]],
              ) -> Tuple[Sequence[Bundle], NodePluginError]:
    """Return a part of ``bundles`` of which none can be left out, and why it is refused.

    ``error`` is why all of them are refused together.
    """
    for bundle in bundles if len(bundles) > 2 else ():
        others = [other for other in bundles if other is not bundle]
        failed = failure(others)
        if failed is not None:
            return _smallest(others, failed, failure)
    return bundles, error


def _by_plugin(failures: Mapping[str, NodePluginError], target: Target, *,
               fitting: Sequence[str] = (),
               joint: Optional[NodePluginError] = None) -> SeveralReasons:
    """Return the reasons of each plugin, and those of ``joint`` that only apply to several."""
    known = [Reason(reason.error, (name,)) for name, error in failures.items()
             for reason in _reasons_of(error)]
    more = [reason for reason in _reasons_of(joint) if _is_new(
        reason.error, [other.error for other in known])] if joint is not None else []
    names = list(failures)
    subject = f"plugin {names[0]}" if len(names) == 1 else "these plugins"
    return SeveralReasons(f"{subject} cannot go into {target.name}:", [*known, *more],
                          fitting=fitting)


def _reasons_of(error: NodePluginError) -> Sequence[Reason]:
    return error.reasons if isinstance(error, SeveralReasons) else (Reason(error),)


def _is_new(error: NodePluginError, known: Sequence[NodePluginError]) -> bool:
    """Return whether ``error`` refuses something that no other one refuses.

    Other kinds, such as unmet dependencies, have another text for each set of plugins.
    """
    if isinstance(error, PathsRefused):
        return not {file.path for file in error.files} <= {
            file.path for other in known if isinstance(other, PathsRefused)
            for file in other.files}
    return isinstance(error, Refused) and error.message not in [other.message for other in known]

"""What the rpm database holds after a transaction is compared with the plan."""
from __future__ import annotations

import itertools
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.packages import outcome
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import TOP, Dnf
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

# rpm adds such a removal itself, for example of the same package for another architecture.
PLANNED_BY_RPM = """
from dnf.rpm.transaction import TransactionWrapper
TransactionWrapper.order = lambda self: (self.ts.addErase("chrony"), self.ts.order())[1]
"""
DONE_BESIDE = """
import dnf.base, rpm
run = dnf.base.Base._run_transaction
def run_more(self, cb):
    result = run(self, cb)
    more = rpm.TransactionSet(self.conf.installroot)
    more.setFlags(rpm.RPMTRANS_FLAG_JUSTDB)
    more.addErase("chrony")
    more.run(lambda *_: None, "")
    return result
dnf.base.Base._run_transaction = run_more
"""
COMES, GOES = ("comes", "again"), ("goes", "again")


def problems_of(now: List[str]) -> List[str]:
    """Return the differences of a root that has ``now`` and had all but ``comes``."""
    before = [(name, "digest") for name in ("core", "goes", "again")]
    return outcome.differences(before, [(name, "digest") for name in now],
                               arriving=COMES, leaving=GOES)


def test_only_the_planned_packages_are_accepted() -> None:
    words = {"core": ("is gone, and was to stay", "is there, and was not to be installed"),
             "comes": ("is missing, and was to be installed", ""),
             "goes": ("", "is still there, and was to be removed"),
             "again": ("is missing, and was to be installed", ""),
             "other": ("", "is there, and was not to be installed")}
    planned = {"core": 1, "comes": 1, "goes": 0, "again": 1, "other": 0}
    for counts in itertools.product((0, 1), repeat=len(planned)):
        now = [name for name, count in zip(planned, counts) for _ in range(count)]
        expected = [f"{name} {words[name][count > planned[name]]}"
                    for name, count in zip(planned, counts) if count != planned[name]]
        assert problems_of(now) == sorted(expected)


def test_a_package_that_is_there_twice_or_is_another_build_is_reported() -> None:
    assert problems_of(["core", "core", "comes", "again"]) == [
        "core is there, and was not to be installed"]
    assert outcome.differences([("core", "old")], [("core", "new")], arriving=(), leaving=()) == [
        "core is another build than before"]


@pytest.mark.parametrize("patch, message", [
    (PLANNED_BY_RPM, "rpm would also remove chrony-4.3-1.el9.x86_64, which is not planned"),
    (DONE_BESIDE, "the rpm database is not as planned after the transaction:\n"
                  "  chrony-4.3-1.el9.x86_64 is gone, and was to stay")])
def test_a_package_that_goes_without_a_plan_is_rolled_back(
        dnf: Dnf, node: Path, tmp_path: Path, patch: str, message: str) -> None:
    patched = tmp_path / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(patch)
    dnf.prefix = ("env", f"PYTHONPATH={patched}:{TOP}")
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, make_plugin(tmp_path, "acme"))
    assert answer.status == 8 and message in answer.text, answer.text
    assert "Traceback" not in answer.text and "sitecustomize" not in answer.text
    assert state_differences(before, tree_state(node)) == []

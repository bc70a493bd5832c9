"""Services whose unit is put into place by a scriptlet of the plugin's packages."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List, Mapping, Optional

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.settings_root import differences, tree

pytestmark = pytest.mark.root

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
SOURCE, UNITS = "/opt/acme/lib/acme.service", "/usr/lib/systemd/system"
WANTS = "etc/systemd/system/multi-user.target.wants/acme.service"
COPY = {"post": f"cp {SOURCE} {UNITS}/acme.service"}
SERVICE = '<service name="acme.service" state="enabled" from="scriptlet"/>'


class Vendor:
    """Makes versions of the plugin acme, and installs them in one root."""

    def __init__(self, root: Path, folder: Path, dnf: Dnf) -> None:
        self.root, self.folder, self.dnf = root, folder, dnf
        self.count = 0

    def bundle(self, version: str, scriptlets: Mapping[str, str], *, name: str = "acme",
               files: Optional[Mapping[str, str]] = None, settings: str = SERVICE) -> Path:
        self.count += 1
        repo = support.RpmRepo(self.folder / f"rpms-{self.count}", name)
        repo.add(name, version, scriptlets=scriptlets,
                 files=files or {f"/opt/{name}/lib/acme.service": UNIT,
                                 f"/opt/{name}/drop-in": "[Service]\nNice=5\n"})
        return support.write_bundle(self.folder / f"{name}-{self.count}", support.descriptor_xml(
            name, version, repos=[name], settings=[settings]), repo=repo)

    def install(self, *bundles: Path) -> Answer:
        return self.dnf.plugin(self.root, "install", *bundles, "-y", UNSIGNED)

    def refused(self, *bundles: Path) -> str:
        """Return the message of an install that is refused, or rolled back."""
        before = tree(self.root)
        answer = self.install(*bundles)
        assert answer.status in (6, 8), answer.text
        assert [path for path in differences(before, tree(self.root))
                if not path.startswith(("var/", "usr/share/dnf/history"))] == []
        return " ".join(answer.err.split())


@pytest.fixture
def vendor(node: Path, tmp_path: Path, dnf: Dnf) -> Vendor:
    return Vendor(node, tmp_path / "vendor", dnf)


def test_a_unit_that_a_scriptlet_copies_is_enabled_repaired_upgraded_and_removed(
        vendor: Vendor, dnf: Dnf, node: Path) -> None:
    drop_in = '<unit-drop-in unit="acme.service" source="/opt/acme/drop-in" name="a.conf"/>'
    first = vendor.bundle("1.0", COPY, settings=SERVICE + drop_in)
    plan = succeeded(dnf.plugin(node, "install", first, UNSIGNED, "--dry-run")).out
    assert "enable service acme.service" in plan
    assert "a scriptlet of its packages has to put the unit into place" in " ".join(plan.split())
    succeeded(vendor.install(first))
    unit = node / UNITS[1:] / "acme.service"
    assert (unit.read_text(), os.path.lexists(node / WANTS)) == (UNIT, True)
    succeeded(dnf.plugin(node, "verify"))
    unit.unlink()
    assert ("/usr/lib/systemd/system/acme.service, which a scriptlet made, is missing"
            in dnf.plugin(node, "verify").text)
    succeeded(dnf.plugin(node, "repair", "-y", UNSIGNED, "acme"))
    assert "acme 1.0: ok" in succeeded(dnf.plugin(node, "verify")).text
    packaged = {f"{UNITS}/acme.service": UNIT}
    succeeded(vendor.install(vendor.bundle(
        "2.0", {}, files=packaged, settings=SERVICE.replace(' from="scriptlet"', ""))))
    succeeded(dnf.plugin(node, "verify"))
    missing = vendor.refused(vendor.bundle("3.0", COPY))  # rpm removes what 2.0 has after %post
    assert ("acme wants to enable service acme.service, but after the scriptlets of its packages"
            " there is no such unit in /etc/systemd/system, /usr/local/lib/systemd/system,"
            f" {UNITS}; scriptlets of acme-3.0-1.noarch ran") in missing
    assert "; rpm removed the unit of the former package after %post, so %posttrans has" in missing
    succeeded(vendor.install(vendor.bundle("3.0", {"posttrans": COPY["post"]})))
    succeeded(dnf.plugin(node, "verify"))
    succeeded(vendor.install(vendor.bundle("4.0", {
        "post": f"rm {UNITS}/acme.service; ln -s {SOURCE} /etc/systemd/system"})))
    assert os.readlink(node / WANTS) != f"{UNITS}/acme.service"
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "-y", "acme"))
    assert left(node) == []


def left(root: Path) -> List[Path]:
    """Return what is left of the plugins in a root."""
    return [path for top in ("etc", "usr", "opt") for path in (root / top).rglob("*acme*")]


def test_a_unit_belongs_to_the_plugin_that_expects_it(
        vendor: Vendor, dnf: Dnf, node: Path) -> None:
    first = vendor.bundle("1.0", {"post": "true"}, name="first", settings="")
    succeeded(vendor.install(first, vendor.bundle("1.0", COPY)))
    succeeded(dnf.plugin(node, "remove", "-y", "first"))
    succeeded(dnf.plugin(node, "verify"))
    rival = vendor.bundle("1.0", {"post": f"cp /opt/rival/lib/acme.service {UNITS}"}, name="rival")
    assert "but plugin acme has /usr/lib/systemd/system/acme.service" in vendor.refused(rival)
    succeeded(dnf.plugin(node, "remove", "-y", "acme"))
    assert left(node) == []
    assert "plugin acme wants to enable service acme.service, but /usr/lib/systemd/system/acme" \
           ".service is not from a scriptlet of its packages" in vendor.refused(
               rival, vendor.bundle("1.0", {"post": "true"}))
    alias = vendor.bundle("1.0", {"post": f"sed '$aAlias=multipathd.service' {SOURCE} >"
                                          f" {UNITS}/acme.service"})
    assert "in the place of /usr/lib/systemd/system/multipathd.service" in vendor.refused(alias)

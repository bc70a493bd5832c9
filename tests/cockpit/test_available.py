"""Available plugins in the page: the library, repositories, uploads, and plans."""
from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

import pytest

from tests import support
from tests.cockpit.conftest import OpenPage
from tests.support.cockpit import Host, Page
from tests.support.cockpit.hosts import LIBRARY, NODE
from tests.support.cockpit.records import write_plugin
from tests.support.keys import SigningKey, make_key
from tests.support.plugins import write_tar

pytestmark = [pytest.mark.root]

SETTING = '<sysctl name="vm.swappiness" value="9"/>'
UPLOADS = "var/lib/ovirt-node-plugin"
# A name that would be markup, a command or another folder if it were used as one.
HOSTILE = "..<img src=x onerror=alert(1)>;$(touch x).tar.zst"
CHOOSE = "input[type=file]"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """The key of a vendor, which no host has."""
    return make_key(tmp_path_factory.mktemp("vendor") / "key")


def bundle(folder: Path, name: str, key: Optional[SigningKey], *, version: str = "1.0",
           settings: Sequence[str] = (), **rpm: object) -> Path:
    """Write a plugin with one package, signed if there is a key."""
    repo = support.RpmRepo(folder / f"{name}-{version}.rpms", name, key=key)
    repo.add(name, version, **rpm)  # type: ignore[arg-type]
    return support.write_bundle(
        folder / f"{name}-{version}", repo=repo, key=key,
        descriptor=support.descriptor_xml(name, version, repos=[name], settings=settings))


def upload(page: Page, tar: Path, name: str) -> None:
    """Upload a file under the name that it has on the user's machine."""
    page.role("button", "Upload a bundle").click()
    page.tab.set_input_files(CHOOSE, {"name": name, "mimeType": "application/octet-stream",
                                      "buffer": tar.read_bytes()})
    page.role("button", "Upload", exact=True).click()


def test_the_library_is_listed_searched_and_emptied(cockpit_host: Host, open_page: OpenPage,
                                                    tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        cockpit_host.add_to_library(bundle(tmp_path, name, None), name)
    (cockpit_host.root / LIBRARY / "bad").mkdir()
    page = open_page(cockpit_host, "/available")
    page.wait_for_text("3 plugins")
    row = page.role("row", "bad")
    assert "Cannot be used" in row.inner_text()
    assert row.get_by_role("button", name="Install").count() == 0
    assert page.axe() == []
    page.screenshot("available")
    page.role("searchbox").fill("alp")
    page.wait_for_text("1 of 3 plugins")
    page.role("button", "Delete from the library: alpha").click()
    page.role("button", "Delete", exact=True).click()
    page.wait_for_text("alpha was deleted from the library.")
    assert not (cockpit_host.root / LIBRARY / "alpha").exists()


def test_an_uploaded_bundle_is_shown_and_then_added_to_the_library(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path) -> None:
    tar = tmp_path / "gamma.tar.zst"
    write_tar(bundle(tmp_path, "gamma", None, settings=[SETTING]), tar)
    page = open_page(cockpit_host, "/available")
    upload(page, tar, HOSTILE)
    page.role("button", "Add to the library").wait_for()
    page.role("button", "Cancel").click()
    assert gone(cockpit_host, page)
    upload(page, tar, HOSTILE)
    page.role("button", "Add to the library").wait_for()
    dialog = page.role("dialog").inner_text()
    assert "gamma" in dialog and "vm.swappiness" in dialog and HOSTILE in dialog
    assert not (cockpit_host.root / LIBRARY).exists()
    assert page.axe() == []
    page.screenshot("upload")
    page.role("button", "Add to the library").click()
    page.wait_for_text("gamma is in the library.")
    page.role("button", "Install gamma").wait_for()
    assert (cockpit_host.root / LIBRARY / "gamma/node-plugin.xml").is_file()
    assert gone(cockpit_host, page)


def test_a_refused_upload_leaves_nothing_and_another_file_can_be_chosen(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path) -> None:
    tar = tmp_path / "bad.tar"
    tar.write_bytes(b"no tar" * 1000)
    page = open_page(cockpit_host, "/available")
    upload(page, tar, "my bundle.tar")
    page.role("button", "Choose another file").wait_for()
    assert "my bundle.tar" in page.role("dialog").inner_text()  # not its path on the host
    assert gone(cockpit_host, page)
    page.role("button", "Choose another file").click()
    page.tab.set_input_files(CHOOSE, {"name": "a.rpm", "mimeType": "", "buffer": b"x"})
    page.wait_for_text("a.rpm is no bundle")
    assert page.role("button", "Upload", exact=True).is_disabled()
    page.tab.keyboard.press("Escape")
    assert page.role("dialog").count() == 0


PARAMETERS = """<parameters>
<parameter name="realm" type="text" default="&lt;b&gt;">the realm of users</parameter>
</parameters><settings>"""


def test_the_plan_names_everything_and_asks_for_trust_in_a_key(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    (cockpit_host.root / "etc/pam.d").mkdir(exist_ok=True)
    folder = bundle(
        tmp_path, "delta", key, settings=[
            SETTING, '<config-file folder="pam" name="delta" source="files/pam"/>'],
        files={"/usr/bin/delta": "#!/bin/sh\n", "/etc/sudoers.d/delta": "# nothing\n"},
        attributes={"/usr/bin/delta": "%attr(4755,root,root)"},
        scriptlets={"post": "true"})
    (folder / "files").mkdir()
    (folder / "files/pam").write_text("auth required <b>pam_deny.so</b>\n\x1b[31maccount\n")
    descriptor = (folder / "node-plugin.xml").read_text()
    (folder / "node-plugin.xml").write_text(descriptor.replace("<settings>", PARAMETERS, 1))
    cockpit_host.add_to_library(folder, "delta")
    page = open_page(cockpit_host, "/available")
    page.role("button", "Install delta").click()
    page.wait_for_text("Install delta 1.0")
    page.settle()
    fingerprint = page.tab.locator(".fingerprint").inner_text().replace(" ", "").lower()
    assert fingerprint == key.fingerprint.lower()
    text = page.text
    assert "vm.swappiness" in text and "delta-1.0-1.noarch" in text
    assert "parameter realm: <b>" in text
    content = page.tab.get_by_label("Content of pam/delta").inner_text()
    assert content.startswith("auth required <b>pam_deny.so</b>\n")
    assert "\\x1b[31maccount" in content
    assert text.index("/usr/bin/delta") < text.index("Scriptlets that run as root")
    install = page.role("button", "Install", exact=True)
    assert install.is_disabled()
    assert page.axe() == []
    page.screenshot("plan")
    page.role("checkbox", "Trust the key").press("Space")
    assert install.is_enabled()


def test_a_refusal_has_the_words_of_the_command_and_names_the_files(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path) -> None:
    cockpit_host.set_release(NODE)
    cockpit_host.add_to_library(bundle(tmp_path, "outside", None, files={"/boot/x": "x"}),
                                "outside")
    refused = cockpit_host.plugin("install", "--dry-run", "--json", "outside", status=6)
    error = refused.json["error"]
    page = open_page(cockpit_host, "/plan/install?names=outside")
    page.wait_for_text(error["message"].splitlines()[0])
    assert page.role("row", "/boot/x").is_visible()
    assert page.role("button", "Install", exact=True).count() == 0
    assert page.axe() == []
    page.screenshot("plan-refused")

    cockpit_host.add_to_library(support.write_bundle(tmp_path / "newer", support.descriptor_xml(
        "newer", requires=['<node min="9"/>'])), "newer")
    refused = cockpit_host.plugin("install", "--dry-run", "--json", "newer", status=5)
    page.open("/plan/install?names=newer")
    page.wait_for_text(refused.json["error"]["message"].splitlines()[0])
    page.screenshot("plan-needs-newer")


def test_a_change_of_origin_is_shown_and_has_to_be_accepted(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    write_plugin(cockpit_host.root, "theta", "0.9")
    cockpit_host.add_to_library(bundle(tmp_path, "theta", key), "theta")
    page = open_page(cockpit_host, "/plan/install?names=theta")
    page.wait_for_text("This version is of another origin than the installed one.")
    page.role("checkbox", "Trust the key").check()
    install = page.role("button", "Install", exact=True)
    assert install.is_disabled()
    page.screenshot("plan-other-origin")
    page.role("checkbox", "the vendor of theta is the same").check()
    assert install.is_enabled()


def test_a_plugin_repository_is_used_only_if_the_user_chooses_it(
        cockpit_host: Host, open_page: OpenPage) -> None:
    folder = cockpit_host.shared / "repo"
    descriptor = cockpit_host.shared / "node-plugin.xml"
    descriptor.write_text(support.descriptor_xml("epsilon", repos=["epsilon"]), encoding="utf-8")
    repo = support.RpmRepo(folder, "epsilon")
    repo.add("epsilon", "1.0")
    repo.finish(descriptor=descriptor)
    (cockpit_host.root / "etc/yum.repos.d").mkdir(exist_ok=True)
    (cockpit_host.root / "etc/yum.repos.d/epsilon.repo").write_text(
        repo.repo_file() + "ovirt_node_plugin=1\n", encoding="utf-8")
    page = open_page(cockpit_host, "/available")
    assert "No plugin is available." in page.text
    page.tab.locator("summary").click()
    page.role("checkbox", "epsilon").check()
    page.role("button", "Install epsilon").click()
    page.wait_for_text("Install epsilon 1.0")
    assert "enablerepo" in page.tab.url


def test_an_ordinary_user_sees_what_is_available_without_buttons(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path) -> None:
    cockpit_host.add_to_library(bundle(tmp_path, "zeta", None), "zeta")
    page = open_page(cockpit_host, "/available", user="operator")
    page.wait_for_text("1 plugin")
    assert page.role("button").count() == 0


def test_a_booted_node_shows_what_is_available_and_refuses_plans(
        cockpit_host: Host, open_page: OpenPage, tmp_path: Path) -> None:
    cockpit_host.add_to_library(bundle(tmp_path, "eta", None), "eta")
    (cockpit_host.root / "run/systemd/system").mkdir(parents=True)
    cockpit_host.set_release(NODE)
    refused = cockpit_host.plugin("install", "--dry-run", "--json", "eta", status=6)
    page = open_page(cockpit_host, "/available")
    page.wait_for_text("1 plugin")
    assert page.tab.locator("main").get_by_role("button").count() == 0
    page.tab.goto(f"{page.address}#/plan/install?names=eta")
    page.settle()
    main = page.tab.locator("main")
    main.get_by_text(refused.json["error"]["message"].splitlines()[0]).wait_for()
    assert main.get_by_role("button", name="Install").count() == 0


def gone(host: Host, page: Page) -> bool:
    """Return whether the folder of an upload is removed, which happens soon after the answer."""
    for _ in range(600):
        if not list((host.root / UPLOADS).glob("upload.*")):
            return True
        page.tab.wait_for_timeout(100)
    return False

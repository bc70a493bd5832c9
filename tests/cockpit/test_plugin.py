"""The page of one plugin: what it shows of a real plugin."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from tests import support
from tests.cockpit.conftest import OpenPage
from tests.support import cockpit
from tests.support.cockpit import Host, Page
from tests.support.keys import SigningKey, make_key

pytestmark = [pytest.mark.root]

OWNER = "ACME Storage <release@acme.example>"
PARAMETER = "net.ipv4.ip_local_reserved_ports"
UNIT = """[Unit]
Description=Monitor of ACME arrays
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
FILES = {
    "/usr/lib/systemd/system/acme-monitor.service": UNIT,
    "/usr/libexec/vdsm/hooks/README-acme": "hooks\n",
    "/usr/share/acme/hook.py": "#!/usr/bin/python3\n",
    "/usr/share/acme/tmpfiles.conf": "d /run/acme 0750 acme acme -\n",
    "/usr/share/acme/logrotate": "/var/log/acme/*.log {\n}\n",
    "/usr/share/acme/array.rules": 'SUBSYSTEM=="block"\n',
    "/usr/share/acme/monitor.conf": "[Service]\nNice=5\n",
    "/etc/acme.conf": "interval = 5\n",
}
SETTINGS = [
    '<user name="acme"/>',
    '<service name="acme-monitor.service" state="enabled"/>',
    '<unit-drop-in source="/usr/share/acme/monitor.conf" name="50-acme.conf"'
    ' unit="acme-monitor.service"/>',
    '<firewall-port port="9100" protocol="tcp"/>',
    '<firewall-service name="acme"><port port="9101" protocol="udp"/></firewall-service>',
    '<vdsm-hook point="before_vm_start" order="60" name="acme" source="/usr/share/acme/hook.py"/>',
    '<kernel-module name="acme_block" options="debug=1" blacklist="yes"/>',
    f'<sysctl name="{PARAMETER}" value="9100"/>',
    '<kernel-argument name="intel_iommu" value="on"/>',
    '<tmpfiles source="/usr/share/acme/tmpfiles.conf" name="acme.conf"/>',
    '<logrotate source="/usr/share/acme/logrotate" name="acme"/>',
    '<udev-rules source="/usr/share/acme/array.rules" name="99-acme.rules"/>',
]
SCRIPTLETS = {"post": "echo made > /etc/acme.generated"}


def storage_plugin(folder: Path, key: SigningKey) -> Path:
    """Write the bundle of a plugin with most kinds of setting, and a signed package."""
    repo = support.RpmRepo(folder / "storage.repo", "storage", key=key)
    repo.add("acme-storage", "1.0", files=FILES, scriptlets=SCRIPTLETS,
             attributes={"/etc/acme.conf": "%config(noreplace)"})
    return support.write_bundle(folder / "storage", support.descriptor_xml(
        "storage", repos=["storage"], install=["acme-storage"], settings=SETTINGS,
        requires=['<tool min="0.1"/>']), repo=repo, key=key)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the plugin, which every test leaves as it was installed."""
    with cockpit.host(tmp_path_factory.mktemp("plugin") / "host") as host:
        key = make_key(host.shared / "key", user=OWNER)
        host.plugin("install", "-y", storage_plugin(host.shared, key), "--trust-keys")
        yield host


def open_plugin(open_page: OpenPage, host: Host, *, user: str = "root") -> Page:
    """Open the page of the plugin and wait until all of its parts are there."""
    page = open_page(host, "/plugin/storage", user=user)
    page.role("treeitem").first.wait_for()
    page.role("region", "State").get_by_text("As installed").wait_for()
    return page


def test_the_page_of_a_plugin_shows_all_that_the_command_knows(storage: Host, open_page: OpenPage
                                                               ) -> None:
    page = open_plugin(open_page, storage)
    (manifest,) = storage.plugin("manifest", "storage", "--json").json["plugins"]
    (info,) = storage.plugin("info", "storage", "--json").json["plugins"]
    settings = page.role("region", "Settings").inner_text()
    for setting in manifest["settings"]:
        for part in (*setting["key"].replace(":", "/").split("/"), setting["value"],
                     setting["before"]):
            assert part in settings, setting
    text = page.text
    for part in (info["summary"], info["vendor"], info["version"], info["source"],
                 info["origin"]["location"], manifest["tool"], *info["requires"],
                 *(package["nevra"] for package in manifest["packages"]),
                 *(file["path"] for file in manifest["others"]), OWNER):
        assert part in text, part
    assert page.axe() == []
    page.screenshot("plugin")
    page.role("button", "Settings", exact=True).click()
    page.screenshot("plugin-settings")


def test_files_are_a_tree_that_the_keyboard_opens(storage: Host, open_page: OpenPage) -> None:
    page = open_plugin(open_page, storage)
    press = page.tab.keyboard.press
    page.role("treeitem", "usr").first.focus()
    press("ArrowRight")
    page.role("treeitem", "share/acme").wait_for()
    press("s")
    press("ArrowRight")
    press("ArrowDown")
    press("Enter")
    details = page.role("region", "Details of the chosen file")
    details.get_by_text("/usr/share/acme/array.rules").wait_for()
    assert "acme-storage-1.0-1.noarch" in details.inner_text()
    assert "-rw-r--r-- (0644)" in details.inner_text()
    press("ArrowLeft")
    press("ArrowLeft")
    assert page.role("treeitem", "array.rules").count() == 0
    page.role("searchbox", "Search files").fill("CONFIG acme")
    page.wait_for_text("1 file found")
    page.role("button", "/etc/acme.conf").click()
    details.get_by_text("which an administrator may change").wait_for()


def test_a_changed_file_is_drift_and_a_changed_configuration_is_not(
        storage: Host, open_page: OpenPage) -> None:
    page = open_plugin(open_page, storage)
    hook, configuration = (storage.root / path for path in ("usr/share/acme/hook.py",
                                                            "etc/acme.conf"))
    texts = hook.read_text(), configuration.read_text()
    try:
        hook.write_text("#!/usr/bin/python3\nprint()\n")
        page.role("link", "Installed plugins").click()
        page.role("link", "storage").click()  # opened again, it shows what is wrong by now
        state = page.role("region", "State")
        state.get_by_text("/usr/share/acme/hook.py").first.wait_for()
        configuration.write_text("interval = 500\n")
        page.role("button", "Check again").click()
        state.get_by_text("/etc/acme.conf").first.wait_for()
        assert "Files of packages (1)" in state.inner_text()
        assert "1 change that is no damage" in state.inner_text()
        page.wait_for_text("the plugin is not as it was installed")
        assert page.role("button", "Repair").is_visible()
        assert page.axe() == []
        page.screenshot("plugin-drift")
    finally:
        hook.write_text(texts[0])
        configuration.write_text(texts[1])


def test_without_administrative_access_the_page_only_shows(storage: Host, open_page: OpenPage
                                                           ) -> None:
    page = open_plugin(open_page, storage, user="operator")
    assert "contents of files are not compared" in page.text
    assert "are shown with administrative access only" in page.text
    for name in ("Repair", "Remove", "Upgrade"):
        assert page.role("button", name).count() == 0


def test_a_name_without_a_plugin_has_a_page(storage: Host, open_page: OpenPage) -> None:
    page = open_page(storage, "/plugin/nothing")
    for route in ("nothing", "-y", "..%2F..", "%3Cimg src=x onerror=a()%3E", ""):
        page.open(f"/plugin/{route}")
        page.wait_for_text("There is no such plugin")
        page.role("link", "Show the installed plugins").wait_for()
        assert page.role("button", "Remove").count() == 0


def test_a_damaged_record_has_a_page(storage: Host, open_page: OpenPage) -> None:
    record = storage.root / "etc/ovirt.plugins.d/damaged"
    record.write_text("no XML")
    try:
        page = open_page(storage, "/plugin/damaged")
        page.wait_for_text("the record of plugin damaged is damaged")
        page.wait_for_text("The record cannot be read")
        assert page.axe() == []
        page.screenshot("plugin-damaged")
    finally:
        record.unlink()

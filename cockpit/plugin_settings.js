// @ts-check
// The part of a plugin's page that shows its settings: in groups, with what the system has now.

import {element, replace} from "./dom.js";
import {code} from "./plugin_parts.js";
import {readPresent, valuePath, watchUnits} from "./present_state.js";
import {argumentHolds, groupSettings, kernelArgument, unitsOf} from "./setting_groups.js";
import {_, format} from "./text.js";
import {badge, table} from "./widgets.js";

/**
 * @typedef {import("./setting_groups.js").Group} Group
 * @typedef {import("./setting_groups.js").Row} Row
 * @typedef {import("./setting_groups.js").Setting} Setting
 * @typedef {import("./present_state.js").Present} Present
 * @typedef {{title: string, cell: (row: Row) => Node | string | null}} Column
 */

/**
 * Show settings in a container; return what ends it.
 *
 * With `live`, the root is the running system: what it has now is shown too, and followed.
 * @param {HTMLElement} container
 * @param {{settings: ReadonlyArray<Setting>, live: boolean}} plugin
 * @returns {() => void}
 */
export function renderSettings(container, {settings, live}) {
    let ended = false;
    /** @param {Present | null} present */
    const show = present => replace(container, ...groupSettings(settings).map(
        group => groupSection(group, present)), settings.length ? null
        : element("p", null, _("This plugin has no settings: its packages do what they do by themselves.")));
    show(null);
    if (!live || !settings.length)
        return () => undefined;
    let unwatch = () => {};
    let readings = 0;
    const update = async () => {
        readings += 1;
        const reading = readings;
        const present = await readPresent(settings);
        // Of several readings at once, the last counts.
        if (!ended && reading === readings)
            show(present);
        return present;
    };
    // Where systemd does not run, there is nothing to watch.
    update().then(present => {
        if (!ended && present.units?.size)
            unwatch = watchUnits(unitsOf(settings), update);
    });
    return () => {
        ended = true;
        unwatch();
    };
}

/**
 * @param {Group} group
 * @param {Present | null} present
 */
function groupSection(group, present) {
    const title = groupTitle(group);
    const shown = columnsOf(group, present);
    return element("section", {class: "group"},
        element("h3", null, title),
        groupNote(group),
        table({
            caption: title,
            columns: shown.map(({title: label}) => ({label})),
            rows: group.rows.map(row => shown.map(({cell}) => cell(row))),
        }));
}

/**
 * @param {Group} group
 * @returns {string}
 */
function groupTitle(group) {
    /** @type {Record<string, string>} */
    const titles = {
        services: _("Services"),
        firewall: _("Firewall"),
        hooks: _("VDSM hooks"),
        modules: _("Kernel modules"),
        sysctls: _("Kernel parameters (sysctl)"),
        arguments: _("Kernel arguments"),
        accounts: _("Users and groups"),
        selinux: _("SELinux"),
        boot: _("Initramfs"),
        certificates: _("Certificates"),
        placed: _("Configuration files"),
        names: _("Names of hosts"),
        kept: _("Paths that are kept over new images"),
        "left-out": _("Files that are left out"),
    };
    return group.known ? titles[group.id] ?? group.id : group.id;
}

/**
 * Return the word for a kind of setting; a kind that is not known is its own word.
 * @param {string} kind
 */
function kindText(kind) {
    /** @type {Map<string, string>} */
    const words = new Map([
        ["service", _("unit")],
        ["unit-drop-in", _("drop-in of a unit")],
        ["firewall-port", _("open port")],
        ["firewall-service", _("open service")],
        ["firewall-definition", _("definition of a service")],
        ["kernel-module", _("module")],
        ["module-index", _("module index")],
        ["kernel-argument", _("argument")],
        ["command-line", _("command line")],
        ["user", _("user")],
        ["group", _("group")],
        ["group-member", _("member of a group")],
        ["selinux-module", _("policy module")],
        ["selinux-boolean", _("boolean")],
        ["selinux-port", _("type of a port")],
        ["selinux-file-context", _("type of files")],
        ["selinux-policy", _("compiled policy")],
        ["initramfs-driver", _("driver")],
        ["dracut-module", _("dracut module")],
        ["initramfs", _("initramfs of a kernel")],
        ["ca-certificate", _("certificate authority")],
        ["ca-trust", _("trust store")],
        ["module-signing-key", _("key that signs modules")],
        ["config-file", _("file in a drop-in folder")],
        ["library-cache", _("library cache")],
        ["udev-rules", _("udev rules")],
        ["multipath-config", _("multipath configuration")],
        ["tmpfiles", _("tmpfiles configuration")],
        ["logrotate", _("logrotate configuration")],
    ]);
    return words.get(kind) ?? kind;
}

/**
 * @param {Group} group
 * @param {Present | null} present
 * @returns {Column[]}
 */
function columnsOf(group, present) {
    const {rows} = group;
    /** @type {Column[]} */
    const columns = [];
    const place = {title: placeTitle(group.id),
                   cell: (/** @type {Row} */ row) => code(row.place)};
    // The first cell is the header of its row, so it must not be empty.
    const placed = rows.every(row => row.place);
    if (placed)
        columns.push(place);
    columns.push({title: _("Name"), cell: row => code(row.subject)});
    if (!placed && rows.some(row => row.place))
        columns.push(place);
    if (group.known && rows.some(row => row.setting.kind !== rows[0]?.setting.kind))
        columns.push({title: _("Kind"), cell: row => kindText(row.setting.kind)});
    if (rows.some(row => row.aspect))
        columns.push({title: _("Sets"), cell: row => row.aspect});
    columns.push({title: _("Value"), cell: row => code(row.setting.value)});
    if (present !== null && rows.some(row => nowOf(row, present) !== null))
        columns.push({title: _("Now"), cell: row => nowCell(row, present)});
    columns.push({title: _("Before the install"), cell: row => row.setting.before});
    if (rows.some(row => row.setting.outcome))
        columns.push({title: _("Result"), cell: row => outcomeText(row.setting.outcome)});
    return columns;
}

/**
 * @param {string} id
 */
function placeTitle(id) {
    return id === "firewall" ? _("Zone") : id === "hooks" ? _("Point")
        : id === "accounts" ? _("Group") : id === "services" ? _("Drop-in of") : _("Place");
}

/**
 * Return what only the system decided, such as "uid=998", and what the running system had before
 * and after the setting took effect there.
 * @param {string} outcome
 */
function outcomeText(outcome) {
    return outcome.split(" ").filter(Boolean).map(word => {
        const value = decoded(word.slice(word.indexOf("=") + 1)) || _("empty");
        if (word.startsWith("was="))
            return format(_("running system before: $0"), value);
        if (word.startsWith("left="))
            return format(_("running system afterwards: $0"), value);
        return decoded(word);
    }).join(", ");
}

/**
 * Return a value of the record, which is quoted as in URLs.
 * @param {string} quoted
 */
function decoded(quoted) {
    try {
        return decodeURIComponent(quoted);
    } catch {
        return quoted;
    }
}

/**
 * @param {Group} group
 */
function groupNote(group) {
    if (group.known && group.id === "arguments")
        return element("p", {class: "note"},
            _("Kernel arguments take effect when the system starts with them."));
    if (!group.known)
        return element("p", {class: "note"},
            _("This page does not know this kind of setting and shows it as the record has it."));
    return null;
}

/**
 * What the system has now of a setting, and whether that is what the setting wants.
 * @typedef {{text: string, level: "success" | "warning" | "danger" | "neutral"}} Now
 */

/**
 * Return what the system has now of a setting, null where this cannot be told.
 * @param {Row} row
 * @param {Present} present
 * @returns {Now | null}
 */
export function nowOf(row, present) {
    const {kind, key, value} = row.setting;
    if (kind === "service")
        return unitNow(value, present.units?.get(key) ?? null);
    if (kind === "unit-drop-in")
        return unitNow("", present.units?.get(row.place) ?? null);
    if (kind === "kernel-module" && present.modules !== null && row.aspect !== "options") {
        const loaded = present.modules.has(row.subject.replaceAll("-", "_"));
        const wanted = row.aspect === "load";
        return {text: loaded ? _("loaded") : _("not loaded"),
            level: loaded === wanted ? "success" : "warning"};
    }
    if (kind === "kernel-argument" && present.tokens !== null) {
        const holds = argumentHolds(value, present.tokens);
        const drop = kernelArgument(value).how === "drop";
        return {text: holds ? drop ? _("absent, as wanted") : _("in use")
            : drop ? _("present until the next start") : _("not before the next start"),
            level: holds ? "success" : "warning"};
    }
    const now = present.values.get(valuePath(row.setting));
    if (now === undefined)
        return null;
    if (kind === "selinux-boolean")
        return booleanNow(now, value);
    return {text: now, level: now === value ? "success" : "warning"};
}

/**
 * @param {string} text The content of the boolean's file: the value, and the pending one.
 * @param {string} wanted
 * @returns {Now}
 */
function booleanNow(text, wanted) {
    const now = text.startsWith("1") ? "on" : "off";
    return {text: now, level: now === wanted ? "success" : "warning"};
}

/**
 * @param {string} wanted `enabled`, `disabled`, `masked`, or empty if any state is as wanted.
 * @param {import("./setting_groups.js").Unit | null} unit
 * @returns {Now | null}
 */
function unitNow(wanted, unit) {
    if (unit === null)
        return null;
    if (unit.load === "not-found")
        return {text: _("there is no such unit"), level: "danger"};
    const text = [`${unit.active} (${unit.sub})`, unit.file].filter(Boolean).join(", ");
    if (unit.active === "failed")
        return {text, level: "danger"};
    if (wanted && unit.file !== wanted)
        return {text, level: "warning"};
    return {text, level: unit.active === "active" ? "success" : "neutral"};
}

/**
 * @param {Row} row
 * @param {Present} present
 */
function nowCell(row, present) {
    const now = nowOf(row, present);
    return now === null ? "" : badge(now.level, now.text);
}

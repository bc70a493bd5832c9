// @ts-check
// The settings of a plugin in groups, as data without texts. No setting is ever left out: a kind
// that this module does not know becomes a group of its own.

/**
 * @typedef {{kind: string, key: string, value: string, before: string, outcome: string}} Setting
 */

/**
 * A setting, and its key in parts. `subject` is what it is about; `place` is the zone, point,
 * unit or group that it belongs to; `aspect` is what is set of it.
 * @typedef {{setting: Setting, subject: string, place: string, aspect: string}} Row
 */

/**
 * A group of settings. `id` is a name of `GROUPS`, or the kind of settings that are not known.
 * @typedef {{id: string, known: boolean, rows: Row[]}} Group
 */

/**
 * The groups, in the order in which the page shows them, and the kinds of setting in each.
 * @type {ReadonlyArray<readonly [string, ReadonlyArray<string>]>}
 */
export const GROUPS = [
    ["services", ["service", "unit-drop-in"]],
    ["firewall", ["firewall-port", "firewall-service", "firewall-definition"]],
    ["hooks", ["vdsm-hook"]],
    ["modules", ["kernel-module", "module-index"]],
    ["sysctls", ["sysctl"]],
    ["arguments", ["kernel-argument", "command-line"]],
    ["accounts", ["user", "group", "group-member"]],
    ["selinux", ["selinux-module", "selinux-boolean", "selinux-port", "selinux-file-context",
        "selinux-policy"]],
    ["boot", ["initramfs-driver", "dracut-module", "initramfs"]],
    ["certificates", ["ca-certificate", "ca-trust", "module-signing-key"]],
    ["placed", ["config-file", "udev-rules", "multipath-config", "tmpfiles", "logrotate",
        "library-cache"]],
    ["names", ["hosts-entry"]],
    ["kept", ["persistent-path"]],
    ["left-out", ["leave-out"]],
];

/**
 * Return the settings in groups; groups without settings are left out.
 *
 * Known groups come first, in the order of `GROUPS`; then each unknown kind, sorted.
 * @param {ReadonlyArray<Setting>} settings
 * @returns {Group[]}
 */
export function groupSettings(settings) {
    /** @type {Map<string, {id: string, known: boolean, place: number}>} */
    const homes = new Map();
    GROUPS.forEach(([id, kinds], place) => kinds.forEach(
        kind => homes.set(kind, {id, known: true, place})));
    /** @type {Map<string, {home: {id: string, known: boolean, place: number}, rows: Row[]}>} */
    const groups = new Map();
    for (const setting of settings) {
        const home = homes.get(setting.kind)
            ?? {id: setting.kind, known: false, place: GROUPS.length};
        // An unknown kind may have the name of a group.
        const key = `${home.place} ${home.id}`;
        const group = groups.get(key) ?? {home, rows: []};
        groups.set(key, group);
        group.rows.push(rowOf(setting));
    }
    return [...groups.values()]
        .sort((a, b) => a.home.place - b.home.place || compareText(a.home.id, b.home.id))
        .map(({home, rows}) => ({id: home.id, known: home.known, rows: rows.sort(compareRows)}));
}

/**
 * Return a setting with its key in parts.
 * @param {Setting} setting
 * @returns {Row}
 */
export function rowOf(setting) {
    const {kind, key} = setting;
    if (kind === "firewall-port" || kind === "firewall-service" || kind === "group-member") {
        const [place, subject] = split(key, ":");
        return {setting, subject, place, aspect: ""};
    }
    if (kind === "vdsm-hook" || (kind === "unit-drop-in" && key.includes("/"))) {
        const [place, subject] = split(key, "/");
        return {setting, subject, place, aspect: ""};
    }
    if (kind === "kernel-module") {
        const end = key.lastIndexOf(":");
        return {setting, subject: end < 0 ? key : key.slice(0, end), place: "",
            aspect: end < 0 ? "" : key.slice(end + 1)};
    }
    if (kind === "selinux-file-context") {
        const [subject, aspect] = split(key, "#");
        return {setting, subject: aspect ? subject : key, place: "", aspect};
    }
    return {setting, subject: key, place: "", aspect: ""};
}

/**
 * Return a text before and after a separator; without one, all of it is the second part.
 * @param {string} text
 * @param {string} separator
 * @returns {[string, string]}
 */
function split(text, separator) {
    const at = text.indexOf(separator);
    if (at < 0)
        return separator === "#" ? [text, ""] : ["", text];
    return [text.slice(0, at), text.slice(at + separator.length)];
}

/**
 * @param {Row} a
 * @param {Row} b
 */
function compareRows(a, b) {
    return compareText(a.place, b.place) || compareText(a.setting.kind, b.setting.kind)
        || compareText(a.subject, b.subject) || compareText(a.aspect, b.aspect);
}

/**
 * @param {string} a
 * @param {string} b
 */
function compareText(a, b) {
    return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Return the units that settings name, sorted and each once.
 *
 * Only names of units are returned: an argument of systemctl never begins with a dash, and has
 * no characters by which systemctl would match several units.
 * @param {ReadonlyArray<Setting>} settings
 * @returns {string[]}
 */
export function unitsOf(settings) {
    const names = settings.flatMap(setting => setting.kind === "service" ? [setting.key]
        : setting.kind === "unit-drop-in" ? [rowOf(setting).place] : []);
    return [...new Set(names)].filter(isUnitName).sort();
}

/**
 * Return whether a text is the full name of a unit, not of a template; systemd.unit(5).
 * @param {string} text
 */
export function isUnitName(text) {
    return text.length < 256 && !text.includes("@.")
        && /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.[a-z]+$/.test(text);
}

/**
 * Return the path of a kernel parameter below /proc/sys, empty if the name is not that of one.
 *
 * In a name of a setting, "." is between the parts, and "/" is a dot in a part; sysctl.d(5).
 * @param {string} name
 */
export function sysctlPath(name) {
    const parts = name.split(".").map(part => part.replaceAll("/", "."));
    const usable = parts.length > 1 && parts.every(
        part => /^[A-Za-z0-9_.:@-]+$/.test(part) && part !== "." && part !== "..");
    return usable ? `/proc/sys/${parts.join("/")}` : "";
}

/**
 * Return the path of a boolean of SELinux in the kernel, empty if the name is not that of one.
 * @param {string} name
 */
export function booleanPath(name) {
    return /^[A-Za-z0-9_-]+$/.test(name) ? `/sys/fs/selinux/booleans/${name}` : "";
}

/**
 * Return a kernel argument that a setting names: "set" replaces others of its name, "add" does
 * not, "drop" removes.
 * @param {string} value The value of a setting, as `+NAME=VALUE`.
 * @returns {{how: "set" | "add" | "drop", token: string}}
 */
export function kernelArgument(value) {
    if (value.startsWith("+"))
        return {how: "add", token: value.slice(1)};
    if (value.startsWith("-"))
        return {how: "drop", token: value.slice(1)};
    return {how: "set", token: value};
}

/**
 * Return the arguments of a kernel command line. Quotes keep blanks, as in the kernel.
 * @param {string} text The content of /proc/cmdline.
 * @returns {string[]}
 */
export function commandLineTokens(text) {
    return (text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? []).map(token => token.replaceAll('"', ""));
}

/**
 * Return whether the running kernel has what a setting says of its command line.
 * @param {string} value The value of a setting `kernel-argument`.
 * @param {ReadonlyArray<string>} tokens The arguments of the running kernel.
 */
export function argumentHolds(value, tokens) {
    const {how, token} = kernelArgument(value);
    const wanted = plain(token.replaceAll('"', ""));
    const there = tokens.map(plain);
    if (how === "drop" && !token.includes("="))
        return !there.some(one => one === wanted || one.startsWith(`${wanted}=`));
    return there.includes(wanted) === (how !== "drop");
}

/**
 * Return an argument with "_" for "-" in its name: they are equal for the kernel.
 * @param {string} token
 */
function plain(token) {
    const end = token.indexOf("=");
    return end < 0 ? token.replaceAll("-", "_")
        : token.slice(0, end).replaceAll("-", "_") + token.slice(end);
}

/**
 * Return the names of the modules that /proc/modules lists.
 * @param {string} text
 */
export function loadedModules(text) {
    return new Set(text.split("\n").map(line => line.split(" ", 1)[0] ?? "").filter(Boolean));
}

/**
 * The state of a unit, as systemd has it.
 * @typedef {{load: string, active: string, sub: string, file: string,
 *     description: string}} Unit
 */

/**
 * Return the units of the output of `systemctl show --property=Names,…`, by all their names.
 * @param {string} text
 * @returns {Map<string, Unit>}
 */
export function parseUnits(text) {
    /** @type {Map<string, Unit>} */
    const units = new Map();
    for (const block of text.split(/\n\n+/)) {
        /** @type {Map<string, string>} */
        const fields = new Map();
        for (const line of block.split("\n")) {
            const at = line.indexOf("=");
            if (at > 0)
                fields.set(line.slice(0, at), line.slice(at + 1));
        }
        const field = (/** @type {string} */ name) => fields.get(name) ?? "";
        const unit = {load: field("LoadState"), active: field("ActiveState"),
            sub: field("SubState"), file: field("UnitFileState"),
            description: field("Description")};
        for (const name of field("Names").split(" ").filter(Boolean))
            units.set(name, unit);
    }
    return units;
}

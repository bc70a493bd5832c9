// @ts-check
// What the running system has now of what settings name: units, kernel modules, kernel
// parameters, arguments and booleans of SELinux. All of it is readable by every user.

import * as groups from "./setting_groups.js";

/**
 * What is known now; a part that could not be read is null, or missing in its map.
 * @typedef {{units: Map<string, groups.Unit> | null, modules: Set<string> | null,
 *     tokens: string[] | null, values: Map<string, string>}} Present
 */

const UNIT_PROPERTIES = "Names,LoadState,ActiveState,SubState,UnitFileState,Description";
const LONGEST_FILE = 1024 * 1024;
const PAUSE_MS = 200;
const MANAGER = "org.freedesktop.systemd1.Manager";

/**
 * Return what the running system has now of what settings name.
 * @param {ReadonlyArray<groups.Setting>} settings
 * @returns {Promise<Present>}
 */
export async function readPresent(settings) {
    const has = (/** @type {string} */ kind) => settings.some(setting => setting.kind === kind);
    const [units, modules, line, values] = await Promise.all([
        readUnits(groups.unitsOf(settings)),
        has("kernel-module") ? readFile("/proc/modules") : null,
        has("kernel-argument") ? readFile("/proc/cmdline") : null,
        readValues(settings),
    ]);
    return {units, modules: modules === null ? null : groups.loadedModules(modules),
        tokens: line === null ? null : groups.commandLineTokens(line), values};
}

/**
 * Return the path that has the value of a setting, empty for a setting without one.
 * @param {groups.Setting} setting
 */
export function valuePath(setting) {
    return setting.kind === "sysctl" ? groups.sysctlPath(setting.key)
        : setting.kind === "selinux-boolean" ? groups.booleanPath(setting.key) : "";
}

/**
 * @param {ReadonlyArray<groups.Setting>} settings
 * @returns {Promise<Map<string, string>>}
 */
async function readValues(settings) {
    /** @type {Map<string, string>} */
    const values = new Map();
    const paths = [...new Set(settings.map(valuePath).filter(Boolean))];
    await Promise.all(paths.map(async path => {
        const text = await readFile(path);
        if (text !== null)
            values.set(path, text.trim().split(/\s+/).join(" "));
    }));
    return values;
}

/**
 * Return the text of a file, null if it cannot be read.
 * @param {string} path
 * @returns {Promise<string | null>}
 */
async function readFile(path) {
    const file = cockpit.file(path, {max_read_size: LONGEST_FILE});
    try {
        return await file.read();
    } catch {
        return null;
    } finally {
        file.close();
    }
}

/**
 * @param {ReadonlyArray<string>} names
 * @returns {Promise<Map<string, groups.Unit> | null>}
 */
async function readUnits(names) {
    if (!names.length)
        return new Map();
    try {
        return groups.parseUnits(await cockpit.spawn(
            ["systemctl", "show", `--property=${UNIT_PROPERTIES}`, "--", ...names],
            {err: "ignore", environ: ["LC_ALL=C.UTF-8"]}));
    } catch {
        return null;
    }
}

/**
 * Call a function when it is sure that changes are told, and whenever one of the units changes;
 * return what ends that.
 *
 * Several changes within a short time are one call.
 * @param {ReadonlyArray<string>} names
 * @param {() => void} changed
 * @returns {() => void}
 */
export function watchUnits(names, changed) {
    if (!names.length)
        return () => undefined;
    const paths = new Set(names.map(unitPath));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    // The time is not extended by more changes, so that a unit that never rests is shown, too.
    const soon = () => {
        timer ??= setTimeout(() => {
            timer = undefined;
            changed();
        }, PAUSE_MS);
    };
    const client = cockpit.dbus("org.freedesktop.systemd1", {bus: "system"});
    client.subscribe({interface: "org.freedesktop.DBus.Properties", member: "PropertiesChanged",
        path_namespace: "/org/freedesktop/systemd1/unit"}, path => {
        if (paths.has(path))
            soon();
    });
    // Whether a unit is enabled is no property that systemd tells the changes of.
    client.subscribe({interface: MANAGER, member: "UnitFilesChanged"}, soon);
    // systemd sends signals only to those who asked for them. What changed before that is not told.
    client.call("/org/freedesktop/systemd1", MANAGER, "Subscribe", []).then(soon, () => undefined);
    return () => {
        clearTimeout(timer);
        client.close();
    };
}

/**
 * Return the path of a unit on D-Bus; every byte but letters and digits is escaped there.
 * @param {string} name
 */
export function unitPath(name) {
    const escaped = name.replace(/^[0-9]|[^A-Za-z0-9]/g,
        letter => `_${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
    return `/org/freedesktop/systemd1/unit/${escaped}`;
}

// @ts-check
/** The part of a plugin's page that shows its operations, the latest first. */

import {element, replace} from "./dom.js";
import {code, limited} from "./plugin_parts.js";
import {_, format, number, time} from "./text.js";
import {details} from "./widgets.js";

/**
 * @typedef {import("./answers").Operation} Operation
 * @typedef {import("./answers").Setting} Setting
 * @typedef {import("./answers").Account} Account
 */

/**
 * Show the operations of a plugin.
 *
 * @param {HTMLElement} container
 * @param {ReadonlyArray<Operation>} operations
 */
export function renderHistory(container, operations) {
    const numbered = operations.map((operation, at) => ({operation, index: at + 1})).reverse();
    replace(container, limited(numbered, operationOf));
}

/**
 * @param {{operation: Operation, index: number}} one
 */
function operationOf({operation, index}) {
    /** @type {[string, (string | HTMLElement)[]][]} */
    const groups = [
        [_("Packages that came"), operation.packages_added],
        [_("Packages that went"), operation.packages_removed],
        [_("Packages that were there before"), operation.packages_shared],
        [_("Packages of the system that were replaced for good"), operation.packages_replaced ?? []],
        [_("Settings that were switched on"), operation.settings_on.map(settingText)],
        [_("Settings that were switched on again"), operation.settings_again.map(settingText)],
        [_("Settings that were undone"), operation.settings_off.map(settingText)],
        [_("Users and groups that came"), operation.accounts_added.map(accountText)],
        [_("Users and groups that went"), operation.accounts_removed.map(accountText)],
        [_("Scriptlets that were not run"), operation.scriptlets_skipped ?? []],
    ];
    return element("div", {class: "operation"},
                   element("h3", null, `${index}. ${operationText(operation)}`),
                   element("p", {class: "muted"},
                           format(_("$0 by $1"), time(operation.at), operation.tool)),
                   element("p", null, format(_("Files: $0 came, $1 changed, $2 went."),
                                             number(operation.files_added),
                                             number(operation.files_changed),
                                             number(operation.files_removed))),
                   groups.filter(([, entries]) => entries.length).map(([title, entries]) =>
                       details(`${title}: ${number(entries.length)}`,
                               limited(entries, entry => element("span", null, code(String(entry)))))));
}

/** @param {Operation} operation */
function operationText(operation) {
    const {version_from: from, version_to: to} = operation;
    switch (operation.operation) {
    case "install": return format(_("Install of version $0"), to);
    case "upgrade": return format(_("Upgrade from version $0 to $1"), from, to);
    case "repair": return format(_("Repair of version $0"), to);
    default: return `${operation.operation} ${from} ${to}`;
    }
}

/** @param {Setting} setting */
function settingText(setting) {
    return [setting.kind, setting.key, setting.value].filter(Boolean).join(" ");
}

/** @param {Account} account */
function accountText(account) {
    return [account.kind, account.name, account.number === null ? "" : String(account.number),
        account.by && `(${account.by})`].filter(Boolean).join(" ");
}

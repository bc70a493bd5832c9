// @ts-check
/** Shows why a command failed: the words of the command, and what can be done. */

import {NO_ANSWER, NO_COMMAND} from "./command.js";
import {element} from "./dom.js";
import {_, format} from "./text.js";
import {alert, button, details, lines} from "./widgets.js";

/** @typedef {import("./command.js").CommandFailed} CommandFailed */

const PACKAGE = "python3-dnf-plugin-node-plugin";
const CONFIG = "/etc/dnf/plugins/node-plugin.conf";

/**
 * Return a box for a failure. `retry`, if given, is called by its button.
 *
 * @param {CommandFailed} failure
 * @param {(() => void) | null} [retry]
 * @returns {HTMLElement}
 */
export function problemAlert(failure, retry = null) {
    const {kind, title, body, reload} = described(failure);
    const again = reload
        ? button(_("Reload the page"), () => window.location.reload())
        : retry && button(_("Try again"), retry);
    return alert(kind, title, body, again && element("div", {class: "actions"}, again));
}

/**
 * @param {CommandFailed} failure
 * @returns {{kind: "info" | "warning" | "danger", title: string, reload?: boolean,
 *            body: import("./dom.js").Child}}
 */
function described(failure) {
    const hint = failure.hint && element("div", {class: "hint"}, lines(failure.hint));
    switch (failure.problem) {
    case NO_COMMAND:
        return {
            kind: "danger",
            title: _("This host has no command dnf node-plugin."),
            body: [
                element("p", null, format(
                    _("Install the package $0, or enable its plugin in $1."), PACKAGE, CONFIG)),
                details(_("What dnf reports"), lines(failure.message)),
            ],
        };
    case "not-found":
        return {
            kind: "danger",
            title: _("This host has no program dnf."),
            body: element("p", null, format(_("Install the packages $0 and $1."), "dnf", PACKAGE)),
        };
    case "access-denied":
        return {
            kind: "warning",
            title: _("This needs administrative access."),
            body: element("p", null, _("Turn on administrative access at the top of Cockpit.")),
        };
    case "disconnected":
    case "terminated":
    case "no-session":
        return {
            kind: "danger",
            title: _("The connection to the host was lost."),
            body: element("p", null, _("What is shown may be out of date."
                                       + " A change that was started runs on.")),
            reload: true,
        };
    case NO_ANSWER:
        return {
            kind: "danger",
            title: _("The answer of the command cannot be read."),
            body: details(_("What it printed"), lines(failure.message)),
        };
    }
    if (failure.locked)
        return {
            kind: "warning",
            title: _("Another process holds the lock of dnf."),
            body: [lines(failure.message), hint],
        };
    const [first, ...rest] = failure.message.split("\n");
    return {
        kind: "danger",
        title: first,
        body: [rest.length ? lines(rest.join("\n")) : null, hint],
    };
}

// @ts-check
/** What every view has around it: the title, the navigation, and what holds for the host. */

import {element, redraw, replace} from "./dom.js";
import {problemAlert} from "./problems.js";
import {refresh, running, state, subscribe} from "./state.js";
import {_, format} from "./text.js";
import {alert, copyBox, lines, link} from "./widgets.js";

/**
 * Fill the page with the frame. Return the element for the view, and a function that marks
 * the tab of a view: `exact` is false for a view below it.
 *
 * @param {HTMLElement} page
 * @returns {{content: HTMLElement, select: (view: string | null, exact: boolean) => void}}
 */
export function frame(page) {
    const target = element("p", {class: "target"});
    const notices = element("div", {class: "notices", "aria-live": "polite"});
    const content = element("main", {class: "content"});
    const tabs = [
        {view: "", shown: link([], _("Installed"), "tab")},
        {view: "available", shown: link(["available"], _("Available"), "tab")},
        {view: "change", shown: link(["change"], _("Changes"), "tab")},
    ];
    replace(page,
            element("header", {class: "masthead"},
                    element("div", {class: "title"}, _("Node plugins")),
                    target,
                    element("nav", {"aria-label": _("Views")}, tabs.map(tab => tab.shown))),
            notices, content);
    const draw = () => {
        redraw(target, targetText(), targetText);
        redraw(notices, JSON.stringify([state.problem, state.problem?.message, state.admin,
                                        state.list?.target, running()?.unit,
                                        state.waiting]), notice);
    };
    subscribe(draw);
    draw();
    return {
        content,
        select: (view, exact) => {
            for (const tab of tabs)
                if (tab.view === view)
                    tab.shown.setAttribute("aria-current", exact ? "page" : "true");
                else
                    tab.shown.removeAttribute("aria-current");
        },
    };
}

function targetText() {
    const target = state.list?.target;
    if (!target)
        return "";
    const kind = target.kind === "node" ? _("oVirt Node") : _("Host");
    // A node is called "oVirt Node 4.5.5" by itself.
    return target.name.includes(kind) ? target.name : `${kind}: ${target.name}`;
}

/** @param {import("./answers").Change} change */
function runningText({operation, names}) {
    const all = names.join(", ");
    switch (operation) {
    case "install":
        return format(_("Being installed: $0"), all);
    case "upgrade":
        return format(_("Being upgraded: $0"), all);
    case "remove":
        return format(_("Being removed: $0"), all);
    case "repair":
        return format(_("Being repaired: $0"), all);
    }
    return _("A change of plugins is running.");
}

/** @returns {import("./dom.js").Child[]} */
function notice() {
    const changes = state.list?.target?.changes;
    const now = running();
    return [
        state.problem && problemAlert(state.problem, refresh),
        state.waiting && alert("warning", _("Another process holds the lock of dnf."),
                               lines(state.waiting)),
        now && alert("info", runningText(now),
                     element("p", null, link(["change", now.unit], _("Show the progress")))),
        changes && !changes.allowed && offline(changes),
        changes?.allowed && state.admin === false && alert(
            "info", _("Without administrative access, this page only shows plugins."),
            element("p", null, _("The contents of files that only root can read are not checked."))),
    ];
}

/**
 * Return the box of a host whose plugins are not changed while it runs.
 *
 * @param {import("./answers").ChangesAllowed} changes
 */
function offline(changes) {
    // The hint of a terminal repeats the lines that the box has.
    const hint = changes.hint.split("\n").filter(line => !changes.lines.includes(line.trim()));
    return alert("info", changes.message.split("\n")[0],
                 lines(changes.message).slice(1),
                 hint.length ? element("div", {class: "hint"}, lines(hint.join("\n"))) : null,
                 changes.lines.length ? copyBox(changes.lines) : null);
}

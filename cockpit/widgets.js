// @ts-check
/**
 * The parts that views are made of; each function returns a new element.
 *
 *     alert("danger", title, …children)        a box with a message; kinds: info, success,
 *                                              warning, danger
 *     badge("success", text)                   a word with a colour; also kind "neutral"
 *     button(text, listener, {kind})           kinds: primary, secondary, danger, link
 *     table({caption, columns, rows})          rows are arrays of cells, or elements of row()
 *     searchBox({label, listener})             calls listener(words) while the user types
 *     emptyState(title, …children)             instead of an empty table
 *     spinner(text)                            while something is read
 *     details(summary, …children)              opens at a click
 *     definitions([[term, …descriptions], …])  names with values
 *     copyBox(lines)                           commands, with a button that copies them
 *     confirm({title, body, action, kind})     a dialog; a promise of whether it was confirmed
 *     dialog({title, body, actions})           a dialog with other buttons
 *     announce(text)                           read out by screen readers, not shown
 */

import {element, printable, replace} from "./dom.js";
import {_} from "./text.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {"info" | "success" | "warning" | "danger" | "neutral"} Kind */

let ids = 0;

/** Return an id that no element of the page has. */
export function newId() {
    ids += 1;
    return `id-${ids}`;
}

/**
 * Return the lines of a message, each as an element.
 *
 * @param {string} text
 * @returns {HTMLElement[]}
 */
export function lines(text) {
    return text.split("\n").map(line => element("div", {class: "line"}, line || " "));
}

/**
 * @param {Kind} kind
 * @param {string} title
 * @param {...Child} children
 */
export function alert(kind, title, ...children) {
    const words = {
        info: _("Information"),
        success: _("Success"),
        warning: _("Warning"),
        danger: _("Error"),
        neutral: _("Information"),
    };
    return element("div", {class: `alert ${kind}`},
                   element("span", {class: "icon", "aria-hidden": "true"}),
                   element("div", {class: "alert-text"},
                           element("p", {class: "alert-title"},
                                   element("span", {class: "only-read"}, `${words[kind]}: `),
                                   title),
                           children));
}

/**
 * @param {Kind} kind
 * @param {string} text
 */
export function badge(kind, text) {
    return element("span", {class: `badge ${kind}`}, text);
}

/**
 * @param {string} text
 * @param {(event: MouseEvent) => void} listener
 * @param {{kind?: "primary" | "secondary" | "danger" | "link", label?: string,
 *          disabled?: boolean}} [options] `label` replaces the text for screen readers
 */
export function button(text, listener, options = {}) {
    const {kind = "secondary", label, disabled} = options;
    return element("button", {
        type: "button",
        class: `button ${kind}`,
        "aria-label": label,
        disabled,
        on: {click: listener},
    }, text);
}

/**
 * Return a link to a view of this page.
 *
 * @param {string[]} path such as ["plugin", name]
 * @param {string} text
 * @param {string} [look] the classes
 */
export function link(path, text, look) {
    return element("a", {href: `#${cockpit.location.encode(path)}`, class: look}, text);
}

/**
 * @typedef {{label: string, class?: string, hidden?: boolean}} Column
 * `hidden` is for a label that only screen readers need.
 */

/**
 * Return a row of a table. The first cell is the header of its row.
 *
 * @param {Column[]} columns
 * @param {Child[]} cells
 */
export function row(columns, cells) {
    return element("tr", {role: "row"}, cells.map((cell, index) => {
        const {label, class: look} = columns[index];
        // The label is shown beside the cell on narrow screens, where rows become blocks.
        const properties = {class: look, dataset: {label}};
        return index === 0
            ? element("th", {scope: "row", role: "rowheader", ...properties}, cell)
            : element("td", {role: "cell", ...properties}, cell);
    }));
}

/**
 * Return a table. Its roles are written out, because CSS that makes blocks of rows removes them.
 *
 * @param {{caption: string, columns: Column[], rows: (Child[] | HTMLTableRowElement)[],
 *          class?: string}} contents
 */
export function table({caption, columns, rows, class: look = ""}) {
    return element("table", {class: `table ${look}`, role: "table"},
                   element("caption", {class: "only-read"}, caption),
                   element("thead", {role: "rowgroup"},
                           element("tr", {role: "row"}, columns.map(column =>
                               element("th", {
                                   scope: "col",
                                   role: "columnheader",
                                   class: column.class,
                               }, column.hidden
                                   ? element("span", {class: "only-read"}, column.label)
                                   : column.label)))),
                   element("tbody", {role: "rowgroup"}, rows.map(cells =>
                       Array.isArray(cells) ? row(columns, cells) : cells)));
}

/**
 * @param {{label: string, listener: (words: string) => void, value?: string}} options
 */
export function searchBox({label, listener, value = ""}) {
    const input = element("input", {
        type: "search",
        class: "search",
        "aria-label": label,
        placeholder: label,
        autocomplete: "off",
        spellcheck: "false",
        on: {
            input: () => listener(input.value),
            keydown: (/** @type {KeyboardEvent} */ event) => {
                if (event.key === "Escape" && input.value) {
                    input.value = "";
                    listener("");
                    event.stopPropagation();
                }
            },
        },
    });
    input.value = value;
    return input;
}

/**
 * @param {string} title
 * @param {...Child} children
 */
export function emptyState(title, ...children) {
    return element("div", {class: "empty"},
                   element("h2", null, title),
                   children);
}

/** @param {string} text */
export function spinner(text) {
    return element("div", {class: "spinner-box", role: "status"},
                   element("span", {class: "spinner", "aria-hidden": "true"}),
                   element("span", null, text));
}

/**
 * @param {Child} summary
 * @param {...Child} children
 */
export function details(summary, ...children) {
    return element("details", {class: "details"}, element("summary", null, summary), children);
}

/** @param {[string, ...Child[]][]} pairs those whose value is empty are left out */
export function definitions(pairs) {
    const shown = pairs.filter(([, ...values]) => values.flat().some(value => value || value === 0));
    return element("dl", {class: "definitions"}, shown.map(([term, ...values]) =>
        element("div", null,
                element("dt", null, term),
                values.map(value => element("dd", null, value)))));
}

/** @param {string[]} commands */
export function copyBox(commands) {
    // What is copied is what is shown: a terminal could obey characters that cannot be seen.
    const text = commands.map(command => printable(command)).join("\n");
    const copy = button(_("Copy"), async () => {
        await navigator.clipboard.writeText(text);
        copy.textContent = _("Copied");
        announce(_("Copied"));
    }, {label: _("Copy the commands")});
    const shown = element("pre", {tabindex: "0", "aria-label": _("Commands")}, text);
    // Without https, browsers give pages no clipboard; the text can be selected.
    return element("div", {class: "copy-box"}, shown, navigator.clipboard ? copy : null);
}

/**
 * Show a dialog and return it. The browser keeps the focus in it, closes it at Escape, and
 * returns the focus to where it was.
 *
 * @param {{title: string, body: Child[], actions: HTMLButtonElement[], closed?: () => void}} contents
 */
export function dialog({title, body, actions, closed = () => {}}) {
    const id = newId();
    const shown = element("dialog", {class: "dialog", "aria-labelledby": id},
                          element("h2", {id}, title),
                          element("div", {class: "dialog-body"}, body),
                          element("div", {class: "actions"}, actions));
    shown.addEventListener("close", () => {
        shown.remove();
        closed();
    });
    document.body.appendChild(shown);
    shown.showModal();
    return shown;
}

/**
 * Ask before something is done.
 *
 * @param {{title: string, body: Child[], action: string, kind?: "primary" | "danger"}} question
 * @returns {Promise<boolean>}
 */
export function confirm({title, body, action, kind = "primary"}) {
    return new Promise(resolve => {
        let confirmed = false;
        const shown = dialog({
            title,
            body,
            actions: [
                button(action, () => {
                    confirmed = true;
                    shown.close();
                }, {kind}),
                button(_("Cancel"), () => shown.close()),
            ],
            closed: () => resolve(confirmed),
        });
    });
}

/** @param {string} text */
export function announce(text) {
    const region = document.getElementById("announcements");
    if (region)
        replace(region, text);
}

// @ts-check
/**
 * The repositories of plugins: they are disabled, and a choice enables them for the next runs.
 *
 * A choice is kept while the page is open, and changes no file of the host.
 */

import {CommandFailed, read} from "./command.js";
import {element, replace} from "./dom.js";
import {problemAlert} from "./problems.js";
import {_, format, plural} from "./text.js";
import {details, spinner} from "./widgets.js";

/** The ids that the user has chosen. */
export const chosen = new Set();

/** Return the options of the command for what is chosen. */
export function chosenOptions() {
    return [...chosen].sort().map(id => `--enablerepo=${id}`);
}

/**
 * Return the list of repositories that can be chosen, closed at first.
 *
 * @param {() => void} changed called after each choice
 * @returns {HTMLElement}
 */
export function repositories(changed) {
    const body = element("div", {class: "choices"});
    const title = element("span", null, titleText());
    let isRead = false;
    const shown = details(title, element("p", {class: "hint"}, _(
        "The repositories of plugins are disabled. Those that you choose are used until you close this page; no file of the host changes.")), body);
    const fill = async () => {
        replace(body, spinner(_("Reading the repositories…")));
        try {
            const answer = await read(["repos"]);
            replace(body, choices(answer.repos, () => {
                replace(title, titleText());
                changed();
            }));
        } catch (error) {
            replace(body, problemAlert(
                error instanceof CommandFailed ? error : new CommandFailed({message: String(error)}), fill));
        }
    };
    shown.addEventListener("toggle", () => {
        if (!isRead)
            fill();
        isRead = true;
    });
    return shown;
}

function titleText() {
    return chosen.size
        ? format(_("Repositories of plugins: $0"), plural("$0 chosen", "$0 chosen", chosen.size))
        : _("Repositories of plugins");
}

/**
 * @param {import("./answers").Repository[]} repos
 * @param {() => void} changed
 */
function choices(repos, changed) {
    const offered = repos.filter(repo => repo.plugin && !repo.enabled || chosen.has(repo.id));
    if (!offered.length)
        return element("p", null, _("No plugin has a repository that is disabled."));
    return offered.map(repo => {
        const box = element("input", {
            type: "checkbox",
            on: {
                change: () => {
                    if (box.checked)
                        chosen.add(repo.id);
                    else
                        chosen.delete(repo.id);
                    changed();
                },
            },
        });
        box.checked = chosen.has(repo.id);
        return element("label", {class: "choice"}, box, element(
            "span", null, element("strong", null, repo.id), " ", repo.name,
            element("span", {class: "summary"}, " ", format(_("of the plugin $0"), repo.plugin))));
    });
}

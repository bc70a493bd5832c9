// @ts-check
/** The dialog that uploads a bundle, shows what it is, and adds it to the library. */

import {change, CommandFailed, read} from "./command.js";
import {element, replace} from "./dom.js";
import {list} from "./plan_view.js";
import {problemAlert} from "./problems.js";
import {_, format, sentence, size} from "./text.js";
import {refusal, send, UploadFailed} from "./upload_channel.js";
import {alert, announce, button, definitions, dialog, lines, newId, spinner} from "./widgets.js";

/**
 * @param {(name: string) => void} added called with the name of the plugin in the library
 */
export function uploadDialog(added) {
    const upload = new UploadDialog(added);
    upload.choose();
}

class UploadDialog {
    #abort = new AbortController();
    /** @type {import("./upload_channel.js").Upload | null} */
    #upload = null;
    #closed = false;
    #close = () => this.shown.close();

    /** @param {(name: string) => void} added */
    constructor(added) {
        this.added = added;
        this.body = element("div", {class: "upload"});
        this.confirm = button(_("Upload"), () => {}, {kind: "primary", disabled: true});
        this.shown = dialog({
            title: _("Upload a bundle"),
            body: [this.body],
            actions: [this.confirm, button(_("Cancel"), this.#close)],
            closed: () => this.#release(),
        });
        cockpit.addEventListener("locationchanged", this.#close);
    }

    #release() {
        this.#closed = true;
        cockpit.removeEventListener("locationchanged", this.#close);
        this.#abort.abort();
        this.#upload?.remove();
    }

    /**
     * @param {string} text
     * @param {() => void} listener
     */
    #offer(text, listener) {
        replace(this.confirm, text);
        this.confirm.disabled = false;
        this.confirm.onclick = () => {
            this.confirm.disabled = true; // one click, one run
            listener();
        };
    }

    /** Let the user choose a file. */
    choose() {
        const problem = element("div", {"aria-live": "polite"});
        replace(this.confirm, _("Upload"));
        this.confirm.disabled = true;
        const input = element("input", {
            type: "file",
            accept: ".tar,.gz,.tgz,.xz,.txz,.zst,.tzst",
            on: {
                change: () => {
                    const file = input.files?.[0];
                    const refused = file ? refusal(file) : "";
                    this.confirm.disabled = true;
                    replace(problem, refused && alert("danger", refused));
                    if (file && !refused)
                        this.#offer(_("Upload"), () => this.#send(file));
                },
            },
        });
        replace(this.body,
                element("p", null, _("A bundle is one plugin in a tar file. It is not installed yet: you see first what it is.")),
                element("label", {class: "field"}, element("span", null, _("File")), input), problem);
        input.focus();
    }

    /** @param {File} file */
    async #send(file) {
        const id = newId();
        const bar = element("progress", {"aria-labelledby": id, max: file.size, value: 0});
        const done = element("p", null);
        const draw = (/** @type {number} */ bytes) => {
            bar.value = bytes;
            replace(done, format(_("$0 of $1"), size(bytes), size(file.size)));
        };
        draw(0);
        replace(this.body, element("p", {id}, format(_("Uploading $0…"), file.name)), bar, done);
        try {
            const upload = await send(file, {progress: draw, signal: this.#abort.signal});
            this.#upload = upload;
            if (this.#closed)
                upload.remove();
            else
                await this.#show(file, upload.path);
        } catch (error) {
            this.#fail(error, file.name);
        }
    }

    /**
     * Show what the bundle is.
     *
     * @param {File} file
     * @param {string} path
     */
    async #show(file, path) {
        replace(this.body, spinner(_("Reading the bundle…")));
        const answer = await read(["info", path], {superuser: "require"});
        if (this.#closed)
            return;
        /** @type {import("./answers").PluginInfo} */
        const plugin = answer.plugins[answer.plugins.length - 1];
        replace(this.body,
                definitions([
                    [_("Name"), plugin.name],
                    [_("Version"), plugin.version],
                    [_("Vendor"), plugin.vendor],
                    [_("Licence"), plugin.license],
                    [_("Summary"), plugin.summary],
                    [_("File"), `${file.name} (${size(file.size)})`],
                ]),
                plugin.description && element("p", null, lines(plugin.description)),
                plugin.settings.length ? [element("h3", null, _("Settings")), list(plugin.settings)] : null,
                plugin.requires.length ? [element("h3", null, _("Needs")), list(plugin.requires)] : null,
                plugin.refused && alert("warning", _("It cannot be installed on this host."),
                                        lines(named(sentence(plugin.refused), path, file.name))),
                element("p", {class: "hint"}, _("In the library, the bundle is available under its name. Its installation is planned first and shows everything in full.")));
        announce(format(_("$0 was uploaded."), file.name));
        this.#offer(_("Add to the library"), () => this.#add(path, plugin.name, file.name));
    }

    /**
     * @param {string} path
     * @param {string} name
     * @param {string} fileName
     */
    async #add(path, name, fileName) {
        replace(this.body, spinner(_("Adding the bundle to the library…")));
        try {
            await change(["add", path]);
            this.shown.close();
            this.added(name);
        } catch (error) {
            this.#fail(error, fileName);
        }
    }

    /**
     * @param {unknown} error
     * @param {string} fileName
     */
    #fail(error, fileName) {
        const path = this.#upload?.path ?? "";
        this.#upload?.remove();
        this.#upload = null;
        if (this.#closed)
            return;
        const failure = error instanceof CommandFailed ? error : new CommandFailed({});
        failure.message = named(error instanceof UploadFailed || error instanceof CommandFailed
            ? error.message : String(error), path, fileName);
        this.#offer(_("Choose another file"), () => this.choose());
        replace(this.body, problemAlert(failure));
    }
}

/**
 * Return a message with the name that the user knows instead of the path on the host.
 *
 * @param {string} message
 * @param {string} path
 * @param {string} name
 */
function named(message, path, name) {
    return path ? message.replaceAll(path, () => name) : message;
}

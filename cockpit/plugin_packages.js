// @ts-check
/** The part of a plugin's page that shows its packages: who signed them, where they came from. */

import {element, replace} from "./dom.js";
import {code} from "./plugin_parts.js";
import {_, format, number, plural, size} from "./text.js";
import {badge, details, table} from "./widgets.js";

/**
 * @typedef {import("./answers").ManifestPackage} ManifestPackage
 */

/**
 * Show the packages of a plugin.
 *
 * @param {HTMLElement} container
 * @param {ReadonlyArray<ManifestPackage>} packages
 */
export function renderPackages(container, packages) {
    if (!packages.length) {
        replace(container, element("p", null, _("This plugin has no packages.")));
        return;
    }
    const bytes = packages.reduce((sum, one) => sum + one.size_bytes, 0);
    replace(container,
            element("p", {class: "muted"},
                    plural("$0 package, $1", "$0 packages, $1", packages.length, size(bytes))),
            table({
                caption: _("Packages of the plugin"),
                columns: [
                    {label: _("Package")},
                    {label: _("Signed by")},
                    {label: _("Origin")},
                    {label: _("Files"), class: "number"},
                    {label: _("Size"), class: "number"},
                ],
                rows: packages.map(one => [
                    [code(one.nevra), one.since ? null : element(
                        "p", {class: "muted"}, _("It was there before the plugin."))],
                    signer(one),
                    origin(one),
                    number(one.files),
                    size(one.size_bytes),
                ]),
            }));
}

/**
 * @param {ManifestPackage} one
 * @returns {import("./dom.js").Child}
 */
function signer(one) {
    if (!one.signer)
        return badge("warning", _("not signed"));
    return [
        one.owner ? element("p", null, one.owner) : null,
        element("p", {class: "key"}, code(one.fingerprint || one.signer)),
        one.fingerprint ? null : element("p", {class: "muted"},
                                         _("Only the id is known: the system does not have this key.")),
        one.checked ? null : badge("warning", _("signature not checked")),
    ];
}

/**
 * @param {ManifestPackage} one
 * @returns {import("./dom.js").Child}
 */
function origin(one) {
    const reasons = new Map([
        ["requested", _("requested by the plugin")],
        ["dependency", _("needed by other packages")],
    ]);
    const reason = one.reason ?? "";
    return [
        one.repo ? element("p", null, format(_("repository $0"), one.repo)) : null,
        reason ? element("p", null, reasons.get(reason) ?? reason) : null,
        details(_("Digests"),
                one.checksum ? element("p", {class: "digest"}, _("RPM file:"), " ", code(one.checksum)) : null,
                element("p", {class: "digest"}, _("header:"), " ", code(one.header))),
    ];
}

# bash completion for "dnf node-plugin" and "ovirt-node-plugin".                       -*- shell-script -*-
#
# dnf has a completion of its own, which is loaded at its first use. This file wraps it:
# a command line of node-plugin is completed here, from the content of folders and without
# starting dnf; dnf's own completion handles all others.

# the library: first the folder that "add" and "drop" change, then the vendors' folder
_ovirt_node_plugin_folders=(/etc/ovirt-node-plugin/plugins.d
                            /usr/share/ovirt-node-plugin/plugins.d)

# the function that completes dnf's other commands; empty until it is known
_ovirt_node_plugin_next=''

# _ovirt_node_plugin_remember: store the present completion of dnf, unless it is this file's
_ovirt_node_plugin_remember() {
    local spec
    spec=$(complete -p dnf 2>/dev/null) || return 1
    [[ $spec =~ \ -F\ ([^ ]+) ]] || return 1
    [[ ${BASH_REMATCH[1]} != _ovirt_node_plugin_dnf ]] || return 1
    _ovirt_node_plugin_next=${BASH_REMATCH[1]}
}

# _ovirt_node_plugin_delegate WORD...: call dnf's own completion
_ovirt_node_plugin_delegate() {
    if [[ ! $_ovirt_node_plugin_next ]]; then
        # Loading dnf's file replaces this file's entry for dnf: store the new entry, then
        # wrap it again. The name of the loader depends on the version of bash-completion.
        complete -r dnf 2>/dev/null
        local loader
        for loader in _comp_load __load_completion _completion_loader; do
            if declare -F "$loader" >/dev/null; then "$loader" dnf; break; fi
        done >/dev/null 2>&1
        _ovirt_node_plugin_remember
        complete -F _ovirt_node_plugin_dnf dnf
    fi
    if [[ $_ovirt_node_plugin_next ]]; then
        "$_ovirt_node_plugin_next" "$@"
    else
        compopt -o default 2>/dev/null
    fi
}

# _ovirt_node_plugin_words: set the caller's array "words" to the command line up to
# the cursor, with --option=value as one word for any COMP_WORDBREAKS, and "root" to the
# installroot, which may also be named after the cursor
_ovirt_node_plugin_words() {
    local i word glue='' all=()
    for (( i = 0; i < ${#COMP_WORDS[@]}; i++ )); do
        word=${COMP_WORDS[i]}
        if [[ $glue ]]; then
            all[-1]+=$word
            glue=''
        elif [[ $word == = && ${#all[@]} -gt 0 && ${all[-1]} == --* ]]; then
            all[-1]+="="
            glue=yes
        else
            all+=("$word")
        fi
        if (( i == COMP_CWORD )); then words=("${all[@]}"); fi
    done
    for (( i = 0; i < ${#all[@]}; i++ )); do
        case ${all[i]} in
        --installroot=*) root=${all[i]#*=} ;;
        --installroot)   root=${all[i + 1]-} ;;
        esac
    done
    root=${root%/}
    # the shell has not expanded a leading ~ yet
    [[ $root != "~"* ]] || root=$HOME${root#"~"}
}

# _ovirt_node_plugin_takes_value OPTION: whether the word after it is its value
_ovirt_node_plugin_takes_value() {
    case $1 in
    -c | -d | -e | -R | -x | --config | --debuglevel | --errorlevel | --rpmverbosity | \
    --randomwait | --exclude | --excludepkgs | --installroot | --releasever | --setopt | \
    --repo | --repoid | --enablerepo | --disablerepo | --repofrompath | --enableplugin | \
    --disableplugin | --disableexcludes | --disableexcludepkgs | --color | --comment | \
    --destdir | --downloaddir | --forcearch | --advisory | --advisories | --bz | --bzs | \
    --cve | --cves | --secseverity | --sec-severity | --accept-origin | --accounts-from | \
    --allow-replace | \
    --repo-file | --save-bundles | --set | --trust-key | --trust | --plan-digest | --image | --sha256 | \
    --checksum-file | --checksum-key)
        return 0 ;;
    esac
    return 1
}

# _ovirt_node_plugin_entries FOLDER TEST: print the names in the folder that are valid
# names of plugins and for which "[ TEST name ]" is true
_ovirt_node_plugin_entries() {
    local path name
    for path in "$1"/*; do
        name=${path##*/}
        if [[ $name =~ ^[a-z0-9][a-z0-9._+-]*$ ]] && test "$2" "$path"; then
            printf '%s\n' "$name"
        fi
    done
}

_ovirt_node_plugin_installed() {
    local folder=$root/usr/lib/ovirt.plugins.d  # of an image, if it has its own
    [[ -d $folder ]] || folder=$root/etc/ovirt.plugins.d
    _ovirt_node_plugin_entries "$folder" -f
}

# the library is that of the running machine, for any installroot
_ovirt_node_plugin_library() {
    local folder
    for folder in "${_ovirt_node_plugin_folders[@]}"; do
        _ovirt_node_plugin_entries "$folder" -d
    done
}

# _ovirt_node_plugin_parameters: PLUGIN.NAME= of each parameter in a record or in the library
_ovirt_node_plugin_parameters() {
    local records=$root/usr/lib/ovirt.plugins.d folder name line
    local -A found=()
    [[ -d $records ]] || records=$root/etc/ovirt.plugins.d
    local pattern='<parameter[[:space:]]([^>]*[[:space:]])?name="([a-z][a-z0-9_-]*)"'
    for folder in "$records" "${_ovirt_node_plugin_folders[@]}"; do
        for name in $(_ovirt_node_plugin_entries "$folder" -e); do
            line=$folder/$name
            [[ ! -d $line ]] || line+=/node-plugin.xml
            [[ -f $line && -r $line ]] || continue
            while read -r line || [[ $line ]]; do
                while [[ $line =~ $pattern ]]; do
                    found[$name.${BASH_REMATCH[2]}=]=yes
                    line=${line#*"${BASH_REMATCH[0]}"}
                done
            done <"$line"
        done
    done
    printf '%s\n' "${!found[@]}"
}

# _ovirt_node_plugin_paths [-d]: bundles are folders and tars
_ovirt_node_plugin_paths() {
    compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    # shellcheck disable=SC2207  # one name on each line, by IFS
    if [[ ${1-} == -d ]]; then
        COMPREPLY+=($(compgen -d -- "$cur"))
    else
        COMPREPLY+=($(compgen -d -- "$cur")
                    $(compgen -f -X '!*.@(tar|tar.gz|tgz|tar.xz|txz|tar.zst|tzst)' -- "$cur"))
    fi
}

# _ovirt_node_plugin_offer WORD...: offer the words that begin with the typed text
_ovirt_node_plugin_offer() {
    local IFS=$'\n'
    # shellcheck disable=SC2207  # one word on each line, by IFS
    COMPREPLY+=($(compgen -W "$*" -- "$cur"))
}

_ovirt_node_plugin_options() {
    local options=(--json --progress --assumeyes --assumeno --installroot --enablerepo --disablerepo
                   --repo --repo-file --setopt --quiet --verbose --recover --help)
    case $1 in
    install)           options+=(--dry-run --plan-digest --detach --trust-keys --trust-key --trust
                                 --accept-origin --allow-replace --accounts-from --set
                                 --skip-scriptlets --save-bundles) ;;
    upgrade)           options+=(--dry-run --plan-digest --detach --trust-keys --trust-key --trust
                                 --allow-replace --set --skip-scriptlets --save-bundles) ;;
    repair)            options+=(--all --dry-run --plan-digest --detach --trust-keys --trust-key --trust
                                 --accept-origin --allow-replace --set --skip-scriptlets) ;;
    remove)            options+=(--dry-run --plan-digest --detach --keep-modified
                                 --skip-scriptlets) ;;
    status)            options+=(--follow) ;;
    list)              options+=(--installed --available --all) ;;
    manifest)          options+=(--packages --files --settings --delta) ;;
    verify)            options+=(--strict --reconcile --dry-run) ;;
    check-upgrade)     options+=(--image --sha256 --checksum-file --checksum-key) ;;
    esac
    _ovirt_node_plugin_offer "${options[@]}"
    return 0
}

_ovirt_node_plugin_names() {
    local names='' added=${_ovirt_node_plugin_folders[0]}
    if [[ $1 == check-upgrade ]]; then
        compopt -o default 2>/dev/null
        return 0
    fi
    if [[ $cur == */* || $cur == .* || $cur == "~"* ]]; then
        case $1 in install | info | add | repair) _ovirt_node_plugin_paths ;; esac
        return 0
    fi
    case $1 in
    remove | verify | upgrade | manifest | repair) names=$(_ovirt_node_plugin_installed) ;;
    install)                   names=$(_ovirt_node_plugin_library) ;;
    info)                      names=$(_ovirt_node_plugin_installed; _ovirt_node_plugin_library) ;;
    drop)                      names=$(_ovirt_node_plugin_entries "$added" -d) ;;
    esac
    _ovirt_node_plugin_offer "$names"
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        case $1 in install | info | add | repair) _ovirt_node_plugin_paths ;; esac
    fi
    return 0
}

# _ovirt_node_plugin_set: offer the parameters to the word after --set, or --set=
_ovirt_node_plugin_set() {
    local option=''
    if [[ $cur == --set=* ]]; then option=--set= cur=${cur#*=}; fi
    compopt -o nospace 2>/dev/null
    _ovirt_node_plugin_offer "$(_ovirt_node_plugin_parameters)"
    if [[ $option && $COMP_WORDBREAKS != *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]/#/$option}")
    fi
}

# _ovirt_node_plugin_dnf COMMAND WORD PREVIOUS: complete dnf, called by bash
_ovirt_node_plugin_dnf() {
    local words=() root='' i word sub='' seen='' previous='' cur
    _ovirt_node_plugin_words
    cur=${words[-1]}
    # the first two words that are neither options nor their values
    for (( i = 1; i < ${#words[@]} - 1; i++ )); do
        word=${words[i]}
        if [[ $word == -* ]]; then
            if _ovirt_node_plugin_takes_value "$word"; then
                if (( i == ${#words[@]} - 2 )); then previous=$word; fi
                i=$((i + 1))
            fi
        elif [[ ! $seen ]]; then
            seen=$word
        elif [[ ! $sub ]]; then
            sub=$word
        fi
    done

    COMPREPLY=()
    if [[ $seen != node-plugin ]]; then
        _ovirt_node_plugin_delegate "$@"
        # dnf's own list contains the command only if dnf could be started
        if [[ ! $seen && ! $previous && $cur != -* && " ${COMPREPLY[*]} " != *" node-plugin "* ]]
        then
            _ovirt_node_plugin_offer node-plugin
        fi
        return 0
    fi
    if [[ $previous == --installroot || $cur == --installroot=* \
          || $previous == --accounts-from || $cur == --accounts-from=* ]]; then
        local option=''
        if [[ ! $previous ]]; then option=${cur%%=*}= cur=${cur#*=}; fi
        _ovirt_node_plugin_paths -d
        # bash replaces its own word, which may include the option
        if [[ $option && $COMP_WORDBREAKS != *=* ]]; then
            COMPREPLY=("${COMPREPLY[@]/#/$option}")
        fi
    elif [[ $previous == --repo-file || $previous == --save-bundles \
            || $previous == --checksum-file || $previous == --checksum-key ]]; then
        compopt -o default 2>/dev/null
    elif [[ $previous == --set || $cur == --set=* ]]; then
        _ovirt_node_plugin_set
    elif [[ $previous == --accept-origin ]]; then
        _ovirt_node_plugin_offer "$(_ovirt_node_plugin_installed)"
    elif [[ $previous || $cur == --*=* ]]; then
        _ovirt_node_plugin_delegate "$@"
    elif [[ $cur == -* ]]; then
        _ovirt_node_plugin_options "$sub"
    elif [[ ! $sub ]]; then
        _ovirt_node_plugin_offer install remove upgrade list info manifest verify check-upgrade \
                                 repair status add drop repos
    else
        _ovirt_node_plugin_names "$sub"
    fi
    return 0
}

# _ovirt_node_plugin_program COMMAND WORD PREVIOUS: complete the program's command line
_ovirt_node_plugin_program() {
    local words=() root='' cur sub
    _ovirt_node_plugin_words
    cur=${words[-1]}
    sub=${words[1]-}
    COMPREPLY=()
    if (( ${#words[@]} <= 2 )); then
        _ovirt_node_plugin_offer merge inspect diff manifest verify extract shell new lint pack \
                                 try catalog clean --help --version
    elif [[ $sub == @(merge|try) && ( ${words[-2]} == --set || $cur == --set=* ) ]]; then
        _ovirt_node_plugin_set
    elif [[ $cur == -* ]]; then
        local options=(--work-dir --help)
        [[ $sub != new ]] || options=(--from --dir --json --help)
        case $sub in
        merge)    options+=(--output --remove --dry-run --assumeyes --assumeno --quiet --verbose
                            --log --trust-keys --trust-key --trust --accept-origin --allow-replace --set
                            --skip-scriptlets --nogpgcheck --repo --repofrompath --repo-file --releasever
                            --enablerepo --setopt --recompress --size --volid --plugins-from
                            --keep-bundles --site-tag --sign --check --no-check --sha256
                            --checksum-file --checksum-key --force --image --json) ;;
        inspect)  options+=(--image --sha256 --checksum-file --checksum-key --setopt
                            --nogpgcheck --enablerepo --json) ;;
        diff)     options+=(--image --plugins --content --json) ;;
        manifest) options+=(--image --packages --files --settings --delta --json) ;;
        verify)   options+=(--image --strict --setopt --nogpgcheck --enablerepo --json) ;;
        extract)  options+=(--image --output --keep-privileges) ;;
        shell)    options+=(--image --output --network --site-tag --sign --sha256
                            --checksum-file --checksum-key --force) ;;
        pack)     options=(--output --complete --sign --baseurl --force --json --help) ;;
        try)      options+=(--on --from --with --junit --trust-keys --trust-key --allow-replace
                            --set --nogpgcheck --repo --repofrompath --repo-file --releasever
                            --enablerepo --setopt --image --json) ;;
        lint)     options=(--against --save-base --older --sarif --strict --json --help) ;;
        catalog)  options=(--title --status --note --node-from --node-until --sign --valid-days
                           --key --file --allow-older --setopt --json --help) ;;
        esac
        _ovirt_node_plugin_offer "${options[@]}"
    elif [[ $sub == catalog && ${#words[@]} -eq 3 ]]; then
        _ovirt_node_plugin_offer create add set drop sign verify list show refresh
    elif [[ $sub == catalog && ${words[-2]} == --status ]]; then
        _ovirt_node_plugin_offer supported tested deprecated withdrawn
    else
        if [[ $sub == merge && ${#words[@]} -gt 3 ]]; then
            _ovirt_node_plugin_offer "$(_ovirt_node_plugin_library)"
        fi
        compopt -o default 2>/dev/null
    fi
    return 0
}

# a completion of dnf that was loaded before is kept and called by this one
_ovirt_node_plugin_remember
complete -F _ovirt_node_plugin_dnf dnf
complete -F _ovirt_node_plugin_program ovirt-node-plugin

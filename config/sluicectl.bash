# Completion for sluicectl in bash. The verbs come from sluicectl itself (--verbs: one per line, a tab, its
# arguments), names from the running sluiced. If sluiced does not answer, no names are offered.

# The completions of a word in the argument list: FILE, PORT, DEVICE, NETWORK, DOMAIN, ACL, SERVICE; ADDED:port, a port
# that was added, and likewise ADDED:network and other kinds; or one of several, such as PORT|drops or tcp|udp. Words in
# small letters are literal. Of IP|PORT only the ports are offered.
_sluicectl_fill() {
    local current=$2 placeholder= key=name choice
    local -a choices words=()
    IFS='|' read -ra choices <<<"$1"
    for choice in "${choices[@]}"; do
        if [[ $choice == [a-z]* ]]; then
            words+=("$choice")
        elif [[ $choice != IP ]]; then
            placeholder=$choice
        fi
    done
    local list=${placeholder,,}
    shift 2
    [[ $placeholder == DEVICE ]] && key=address
    [[ $placeholder == DOMAIN ]] && key=domain list=network
    case $placeholder in
        FILE | PATH)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        ADDED:*)
            mapfile -t COMPREPLY < <(
                # An object's keys are sorted: its name comes before its origin.
                "$@" "${placeholder#ADDED:}" list --json 2>/dev/null |
                    sed -n -e '/^ \{6\}"name": /h' \
                        -e '/^ \{6\}"origin": "added"/{g; s/^ *"name": "\(.*\)",\{0,1\}$/\1/p}' |
                    while read -r name; do [[ $name == "$current"* ]] && printf '%q\n' "$name"; done
            )
            [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] &&
                COMPREPLY=("${COMPREPLY[@]#"${current%:*}:"}")
            ;;
        PORT | DEVICE | NETWORK | DOMAIN | ACL | SERVICE)
            mapfile -t COMPREPLY < <(
                # Only the keys of the listed objects: nested objects have names too.
                "$@" "$list" list --json 2>/dev/null |
                    sed -n "s/^ \{6\}\"$key\": \"\(.*\)\",\{0,1\}\$/\1/p" | sort -u |
                    while read -r name; do [[ $name == "$current"* ]] && printf '%q\n' "$name"; done
            )
            # Bash replaces only the part after the last colon.
            [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] &&
                COMPREPLY=("${COMPREPLY[@]#"${current%:*}:"}")
            ;;
    esac
    for choice in "${words[@]}"; do
        [[ $choice == "$current"* ]] && COMPREPLY+=("$choice")
    done
    return 0
}

_sluicectl() {
    # Bash splits words at colons, and a PCI address has two.
    local -a line_words=()
    local word
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if ((${#line_words[@]})) && [[ $word == :* || ${line_words[-1]} == *: ]]; then
            line_words[-1]+=$word
        else
            line_words+=("$word")
        fi
    done
    local last=$((${#line_words[@]} - 1))
    local current=${line_words[last]} previous=${line_words[last - 1]}
    local -a ask=("$1") given=()
    local -A value_of=([--socket]=PATH [--timeout]=S)
    local verbs words arguments option rest i
    COMPREPLY=()
    verbs=$("$1" --verbs 2>/dev/null) || return

    local option_form='\[(--?[a-z-]+) ([A-Za-z|0-9-]+)\]'
    local any_form='\[(--?[a-z-]+)( [A-Za-z|0-9-]+|\[=[A-Z]+\])?\]'  # with a value, with or without one, without
    while IFS=$'\t' read -r words arguments; do
        while [[ $arguments =~ $option_form ]]; do
            value_of[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
            arguments=${arguments/"${BASH_REMATCH[0]}"/}
        done
    done <<<"$verbs"

    for ((i = 1; i < last; i++)); do
        option=${line_words[i]}
        if [[ $option != -* ]]; then
            given+=("$option")
        elif [[ -n ${value_of[$option]} ]]; then
            ((++i < last)) && [[ $option == --socket ]] && ask+=(--socket "${line_words[i]}")
        fi
    done

    # "help port show": only the words of a verb.
    local is_help=
    if [[ ${given[0]} == help ]]; then
        is_help=1
        given=("${given[@]:1}")
    fi

    # An option's values depend on the verb.
    local line="${given[*]}"
    while IFS=$'\t' read -r words arguments; do
        [[ "$line " == "$words "* ]] || continue
        while [[ $arguments =~ $option_form ]]; do
            value_of[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
            arguments=${arguments/"${BASH_REMATCH[0]}"/}
        done
    done <<<"$verbs"

    if [[ $previous == -* && -n ${value_of[$previous]} ]]; then
        _sluicectl_fill "${value_of[$previous]}" "$current" "${ask[@]}"
        return
    fi

    local next options='--socket --json --watch --timeout --help --version' own='' placeholder
    local -a candidates=() places
    while IFS=$'\t' read -r words arguments; do
        if [[ -z $line || $words == "$line "* ]]; then
            next=${words#"$line"}
            next=${next# }
            candidates+=("${next%% *}")
        elif [[ -n $is_help ]]; then
            continue
        elif [[ "$line " == "$words "* ]]; then
            rest=$arguments
            while [[ $rest =~ $any_form ]]; do
                own+=" ${BASH_REMATCH[1]}"
                rest=${rest/"${BASH_REMATCH[0]}"/}
            done
            read -ra places <<<"$rest"
            i=$((${#given[@]} - $(wc -w <<<"$words")))
            placeholder=${places[i]//[\[\]]/}
            [[ $i == 0 && $words =~ ^(port|network|acl|address-set|mirror)\ (delete|set)$ ]] &&
                placeholder=ADDED:${BASH_REMATCH[1]}
        fi
    done <<<"$verbs"
    [[ -n $is_help && -z $line ]] && candidates+=(protocol)

    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options$own" -- "$current")
    elif [[ -n $placeholder ]]; then
        _sluicectl_fill "$placeholder" "$current" "${ask[@]}"
    else
        mapfile -t COMPREPLY < <(compgen -W "${candidates[*]}" -- "$current" | sort -u)
    fi
    # If no further word is expected, or none is known, offer the options.
    ((${#COMPREPLY[@]})) || [[ -n $current ]] || mapfile -t COMPREPLY < <(compgen -W "$own")
}

complete -F _sluicectl sluicectl

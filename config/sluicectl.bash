# Completion for sluicectl in bash. The verbs come from sluicectl itself (--verbs: one a line, a tab,
# its arguments), names from the running sluiced; where it can't be asked, nothing is offered.

# What fits a word of the arguments' list: FILE, PORT, NETWORK.
_sluicectl_fill() {
    local placeholder=$1 current=$2
    shift 2
    case $placeholder in
        FILE | PATH)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        PORT | NETWORK)
            mapfile -t COMPREPLY < <(
                "$@" "${placeholder,,}" list --json 2>/dev/null |
                    sed -n 's/^ *"name": "\(.*\)",\{0,1\}$/\1/p' |
                    while read -r name; do [[ $name == "$current"* ]] && printf '%q\n' "$name"; done
            )
            ;;
    esac
}

_sluicectl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local -a ask=("$1") given=()
    local -A value_of=([--socket]=PATH)
    local verbs words arguments option i
    COMPREPLY=()
    verbs=$("$1" --verbs 2>/dev/null) || return

    local option_form='\[(--[a-z-]+) ([A-Z]+)\]'
    while IFS=$'\t' read -r words arguments; do
        [[ $arguments =~ $option_form ]] && value_of[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    done <<<"$verbs"

    for ((i = 1; i < COMP_CWORD; i++)); do
        option=${COMP_WORDS[i]}
        if [[ $option != -* ]]; then
            given+=("$option")
        elif [[ -n ${value_of[$option]} ]]; then
            ((++i < COMP_CWORD)) && [[ $option == --socket ]] && ask+=(--socket "${COMP_WORDS[i]}")
        fi
    done

    if [[ $previous == -* && -n ${value_of[$previous]} ]]; then
        _sluicectl_fill "${value_of[$previous]}" "$current" "${ask[@]}"
        return
    fi

    local line="${given[*]}" next options='--socket --json --watch --help --version' placeholder
    local -a candidates=() places
    while IFS=$'\t' read -r words arguments; do
        if [[ -z $line || $words == "$line "* ]]; then
            next=${words#"$line"}
            next=${next# }
            candidates+=("${next%% *}")
        elif [[ "$line " == "$words "* ]]; then
            [[ $arguments =~ $option_form ]] && options+=" ${BASH_REMATCH[1]}"
            read -ra places <<<"${arguments//\[--*\]/}"
            i=$((${#given[@]} - $(wc -w <<<"$words")))
            placeholder=${places[i]//[\[\]]/}
        fi
    done <<<"$verbs"

    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    elif [[ -n $placeholder ]]; then
        _sluicectl_fill "$placeholder" "$current" "${ask[@]}"
    else
        mapfile -t COMPREPLY < <(compgen -W "${candidates[*]}" -- "$current" | sort -u)
    fi
}

complete -F _sluicectl sluicectl

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the slmt command says of itself: completion and manual pages, made by it and tried here: test_completion.sh SLMT.
slmt=$1
. "$(dirname "$0")/claims.sh"

commands=(methods fit prepare pretrain finetune train synthesize segment evaluate differ rank convert info)

# complete_words WORD...: what is offered for the last word, which bash has split at "=" as it does
complete_words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _slmt
    echo "${COMPREPLY[*]}"
}

# offers WANTED WORD...
offers() {
    local wanted=$1 got
    shift
    got=$(complete_words "$@")
    [ "$got" = "$wanted" ] || die "'$*' is completed to '$got', not '$wanted'"
}

# options_of COMMAND: those that --help lists
options_of() { "$slmt" "$@" --help | grep -oP '^ {2,6}(-., )?\K--[a-z0-9-]+' | sort -u; }

claim "bash: commands, options, choices, methods, files and folders are completed"
"$slmt" --completion bash >slmt.bash || die "no completion for bash"
. ./slmt.bash
mkdir folder other
touch file.h5 other/scan.nii "two words.h5"
offers "${commands[*]}" slmt ""
offers "prepare pretrain" slmt pre
offers "--completion" slmt --c
offers "bash zsh" slmt --completion ""
offers "--source" slmt finetune --so
offers "base small tiny" slmt pretrain --preset ""
offers "onednn openblas" slmt train --matrix = o
offers "$("$slmt" methods | cut -d' ' -f1 | xargs)" slmt train ""
offers "segnet segnet-basic" slmt train segn
offers "--mask-ratio" slmt train slmt-net --mas
offers "--smooth-l1-beta" slmt train --quiet seq2seq --smo
offers "off on" slmt train seq2seq --augment ""
offers "base small tiny" slmt train slmt-net --preset ""
offers "" slmt train --smo
offers "seq2seq" slmt methods seq
offers "file.h5" slmt rank --model fi
offers "file.h5" slmt rank --model = fi
offers "file.h5" slmt info --quiet fi
offers "two words.h5" slmt info tw
offers "folder" slmt prepare --contrast t1 = fo
offers "folder" slmt prepare --contrast = t1 = fo
offers "other/scan.nii" slmt differ --to t1 t1 = other/
offers "" slmt train --seed ""
offers "file.h5" slmt prepare --contrast t1 = fi

claim "bash: also where \"=\" does not split words"
offers "--model=file.h5" slmt rank --model=fi
offers "t1=folder" slmt prepare --contrast t1=fo
offers "--contrast=t1=folder" slmt prepare --contrast=t1=fo

claim "help is set in columns, that of every method too" # argp of glibc 2.36 can misplace the blanks before a line
misplaced() { awk '/^ +(-., )?--/ { options = 1 } /^          +(-., )?--/ || options && /^[a-z]/'; }
mapfile -t trained < <("$slmt" methods | awk 'NF > 1 { print "train " $1 }')
[ ${#trained[@]} -gt 1 ] || die "methods lists ${#trained[@]} methods"
for command in "${commands[@]}" "${trained[@]}"; do
    "$slmt" $command --help >help || die "$command: no help"
    [ -z "$(misplaced <help)" ] || die "$command: these lines are misplaced: $(misplaced <help)"
done

claim "every option that --help lists is completed and has its place in the manual page"
mkdir man
"$slmt" --manual man || die "no manual pages"
for command in "${commands[@]}" "train slmt-net" "train seq2seq"; do
    options_of $command >listed
    [ -s listed ] || die "no options of $command are listed"
    complete_words slmt $command - | tr ' ' '\n' | sort | cmp -s - listed || die "$command: other options are completed"
    grep -oP '\\fB\K\\-\\-[a-z0-9\\-]+(?=\\fR)' "man/slmt-${command// /-}.1" | tr -d '\\' | sort -u |
        cmp -s - listed || die "$command: its page has other options"
    grep -q "slmt.-${command%% *} (1)" man/slmt.1 || die "$command is not on the page of slmt"
done

if command -v mandoc >/dev/null; then
    claim "mandoc has nothing to say about the manual pages"
    said=$(mandoc -T lint man/*.1) || die "$said"
    [ -z "$said" ] || die "$said"
fi

# It is typed to at a pseudo terminal, which a bare root may lack.
if ! zsh -f -c 'zmodload zsh/zpty && zpty try true' 2>/dev/null; then
    echo "- zsh: not tried, as it or a pseudo terminal is missing"
else
    claim "zsh: commands, options, choices, files and folders are completed"
    "$slmt" --completion zsh >_slmt || die "no completion for zsh"
    cat >ask.zsh <<'END'
# Types each argument and a tab at a shell's prompt, and prints what the line has become.
zmodload zsh/zpty
zpty shell zsh -f -i
say() { zpty -w shell "$1"; zpty -r -m shell text "*ready:*" || exit 1; }
say "PROMPT= RPROMPT=; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; echo rea'dy:'"
say 'tell() { print -r -- "@begin@$BUFFER@end@"; BUFFER= }; zle -N tell; bindkey "^X" tell; echo rea'"'dy:'"
for line; do
    zpty -w -n shell "$line"$'\t\x18'
    zpty -r -m shell text "*@begin@*@end@*" || exit 1
    print -r -- ${${text##*@begin@}%%@end@*}
done
END
    cat >wanted <<'END'
slmt convert.
slmt train --matrix=onednn.
slmt methods seq2seq.
slmt train seq2seq --smooth-l1-beta=
slmt rank --model=file.h5.
slmt prepare --contrast=t1=folder/
slmt differ t1=other/scan.nii.
slmt rank --baseline
END
    timeout 60 zsh -f ask.zsh "slmt con" "slmt train --matrix=one" "slmt methods seq" "slmt train seq2seq --smoo" "slmt rank --model=fi" \
        "slmt prepare --contrast=t1=fo" "slmt differ t1=other/s" "slmt rank --baseline" | sed 's/ $/./' >got
    diff got wanted || die "zsh completes otherwise"
fi
echo "all true"

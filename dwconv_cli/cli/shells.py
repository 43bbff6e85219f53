"""Completion in bash, zsh and fish: the scripts, what they hand over, and how answers are written for each shell.

A script hands over the line that is typed, and the command answers with lines of ``kind,value``.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

PROGRAM = "dwconv"

# In bash, readline replaces only what stands behind the last character of COMP_WORDBREAKS, such as a colon. $2 is that.
# $1 may be an alias, so only a path is called as it is typed. Versions before 4.4 have no nosort.
_BASH = """\
%(complete_func)s() {
    local answer line program=%(prog_name)s
    COMPREPLY=()
    [[ ${1-} == */* ]] && program=${1/#\\~/$HOME}
    answer=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_CWORD="$COMP_CWORD" \\
        COMP_WORDS="$(printf '%%s\\n' "${COMP_WORDS[@]}")" COMP_WORD="${2-${COMP_WORDS[COMP_CWORD]}}" \\
        %(complete_var)s=bash_complete "$program" 2>/dev/null </dev/null) || return 0
    while IFS= read -r line; do
        case $line in
            file,*)
                compopt -o default -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${line#file,}") ;;
            dir,*)
                compopt -o dirnames -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "${line#dir,}") ;;
            open,*)
                compopt -o nospace 2>/dev/null
                COMPREPLY+=("${line#open,}") ;;
            plain,*)
                COMPREPLY+=("${line#plain,}") ;;
        esac
    done <<< "$answer"
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""

# An answer has three lines: kind, value, and a note or "_". What stands before the value of --name=value is set apart.
_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local kind value note
    local -a answer bare noted
    answer=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null </dev/null)}")
    compset -P '--[a-z0-9-]##='
    for kind value note in "${answer[@]}"; do
        case $kind in
            (file) _path_files ;;
            (dir) _path_files -/ ;;
            (open) compadd -U -i "$IPREFIX" -S '' -- "$value" ;;
            (plain) if [[ $note == _ ]]; then bare+=("$value"); else noted+=("$value:$note"); fi ;;
        esac
    done
    (( $#noted )) && _describe -V values noted -U -i "$IPREFIX"
    (( $#bare )) && compadd -U -i "$IPREFIX" -V values -a bare
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

# An answer is split at its first comma alone, since names may hold more of them.
_FISH = """\
function %(complete_func)s
    set -l option (commandline -ct | string match -r -- '^--[a-z0-9-]+=')
    set -l answer (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
        COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null </dev/null)
    for line in $answer
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case dir
                printf "$option%%s\\n" (__fish_complete_directories $parts[2] '')
            case file
                printf "$option%%s\\n" (__fish_complete_path $parts[2])
            case plain open
                printf "$option%%s\\n" $parts[2]
        end
    end
end
complete -f -c %(prog_name)s -a "(%(complete_func)s)"
"""

_SAFE = re.compile(r"[\w\-./:=+,@%^]")


class Bash(BashComplete):
    """Words as bash has them, whose colons and equals signs divide them, and answers without their first parts."""

    source_template = _BASH

    def source(self) -> str:
        """The script; which version of bash will read it is not known here."""
        return ShellComplete.source(self)

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words before the cursor, and the incomplete one there."""
        typed = _typed()
        # A last character closes no quote and ends no word, so that the word at the cursor is always the last one.
        words = split_arg_string(typed + "_")
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        self._raw, self._quote = last_word(typed)
        self._word = words[-1][:-1]
        return words[1:-1], self._word

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """The part of a value that replaces the word at the cursor, quoted as that is."""
        replaced = os.environ.get("COMP_WORD", self._raw)
        if replaced.strip(":=") == "":
            replaced = ""
        text_before = self._raw.removesuffix(replaced)
        words_before = split_arg_string(text_before)
        length = len(words_before[0]) if words_before else 0
        value, option = item.value, re.match(r"--[\w-]+=", self._word)
        if option:
            value = option[0] + value
        rest = value[length:]
        # What is no whole value is a path, which the script completes and readline quotes.
        return f"{item.type},{rest if item.type in ('file', 'dir') else quoted(rest, self._quote)}"


class Zsh(ZshComplete):
    """Words as zsh divides them, at blanks alone."""

    source_template = _ZSH


class Fish(FishComplete):
    """Answers whose values may hold commas."""

    source_template = _FISH


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def complete(group: click.Command, variable: str, instruction: str) -> int:
    """Answer a shell: ``bash_source`` asks for its script, ``bash_complete`` for what may stand at the cursor.

    No file that is broken and no line that is wrong is worth a message between a user's keystrokes.
    """
    shell, _, request = instruction.partition("_")
    if shell not in SHELLS or request not in ("source", "complete"):
        return 1
    with contextlib.suppress(Exception):
        completion = SHELLS[shell](group, {}, PROGRAM, variable)
        answer = completion.source() if request == "source" else completion.complete()
        sys.stdout.buffer.write(os.fsencode(answer))
    return 0


def last_word(line: str) -> tuple[str, str]:
    r"""The last word of a line as it is typed, and the quote that is open in it.

    Examples
    --------
    >>> last_word("apply 'a b::/x")
    ("'a b::/x", "'")
    >>> last_word(r"apply a\ b")
    ('a\\ b', '')
    """
    quote, start, escaped = "", 0, False
    for place, character in enumerate(line):
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            start = place + 1
    return line[start:], quote


def quoted(text: str, quote: str) -> str:
    r"""`text` as it is typed inside a `quote`, or outside of one.

    Examples
    --------
    >>> quoted("/a b$(c)", "")
    '/a\\ b\\$\\(c\\)'
    >>> quoted("it's", "'")
    "it'\\''s"
    """
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote:
        return re.sub(r'[$`"\\]', r"\\\g<0>", text)
    return "".join(c if _SAFE.match(c) else "\\" + c for c in text)


def _typed() -> str:
    """What is typed before the cursor, from the variables that bash sets."""
    line = os.environ.get("COMP_LINE", "")
    if line:
        # The cursor is counted in bytes.
        return os.fsdecode(os.fsencode(line)[: int(os.environ["COMP_POINT"])])
    count, joined = int(os.environ["COMP_CWORD"]) + 1, os.environ["COMP_WORDS"]
    # Click's own scripts join words by blanks, where they are not bash's. A shell cuts empty lines off the end.
    words = joined.split("\n") if "\n" in joined else joined.split(" ")
    words = [*words, *[""] * count][:count]
    line = ""
    for word in words:
        # Where there is no line, a colon or an equals sign that stands alone belongs to both of its neighbours.
        glued = not line or line[-1] in ":=" or (word and not word.strip(":="))
        line += word if glued else f" {word}"
    return line

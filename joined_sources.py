"""Which sources can be compiled as one: prints a line for each group, its files separated by spaces.

What a file has for itself (unnamed namespaces, static functions) is seen by the files after it in the same group. Files are joined only where no
such name occurs in another of them or in a header of ours that it includes, so that a group means what its files mean one by one.

joined_sources.py ROOT MOST FILE...    files of one folder; at most MOST in a group
"""
import functools
import pathlib
import re
import sys

COMMENT_OR_TEXT = re.compile(
    r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*', re.S | re.M)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
FREE_WORD = re.compile(r"(?<![\w.])(?<!->)(?<!::)[A-Za-z_]\w*")


def outermost_names(code, own):
    """Names declared outermost; own: those alone that no other file sees, in unnamed namespaces and of static functions, and other names for types."""
    names, around, statement = set(), [], ""
    for character in code:
        outermost = "block" not in around
        if character == "{":
            space = re.search(r"\bnamespace\s*([\w:]*)\s*$", statement)
            if not space and outermost:
                names |= declared(statement, not own or "unnamed" in around)
            around.append("block" if not space else "named" if space.group(1) else "unnamed")
            statement = "" if space else statement + "{"
        elif character == "}":
            ended = around.pop()
            outermost = "block" not in around
            function = outermost and re.search(r"\)[^=]*$", statement.split("{")[0]) and "=" not in statement.split("(")[0]
            statement = "" if ended != "block" or function else statement + "}"
        elif character == ";" and outermost:
            names |= declared(statement, not own or "unnamed" in around)
            statement = ""
        else:
            statement += character
    return names


def declared(statement, counts):
    head = statement.split("{")[0].strip()
    while head.startswith("template"):
        head = after_angles(head[len("template"):].strip())
    other_name = re.match(r"using\s+(?:namespace\s+)?(?:[\w:]*::)?(\w+)", head)
    if other_name:
        return {other_name.group(1)}
    if not counts and not head.startswith("static "):
        return set()
    kind = re.match(r"(?:struct|class|enum|union)\s+(?:class\s+)?(\w+)", head)
    if kind:
        return {kind.group(1)}
    before = re.split(r"[(=]", head)[0]
    function_or_value = {before.split()[-1].lstrip("*&")} if before.split() else set()
    more_values = set(re.findall(r",\s*(\w+)\s*=", statement)) if "=" in head.split("(")[0] else set()
    return {re.sub(r"\W.*", "", name) for name in function_or_value | more_values} - {""}


def after_angles(text):
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "<") - (character == ">")
        if depth == 0:
            return text[at + 1:].strip()
    return ""


@functools.cache
def source(path):
    text = path.read_text()
    return COMMENT_OR_TEXT.sub(" ", text), INCLUDE.findall(text)


@functools.cache
def declared_in(header):
    return outermost_names(source(header)[0], own=False)


@functools.cache
def headers_of(path):
    """Our headers that a file includes, and those that they include."""
    seen, left = set(), [path]
    while left:
        included = {ROOT / name for name in source(left.pop())[1] if (ROOT / name).exists()} - seen
        left += included
        seen |= included
    return frozenset(seen)


@functools.cache
def words(path):
    """Free words of a file, and what its headers declare."""
    return frozenset(FREE_WORD.findall(source(path)[0])).union(*map(declared_in, headers_of(path)))


def apart(first, second):
    return own[first] & words(second) or own[second] & words(first)


ROOT, most, files = pathlib.Path(sys.argv[1]), int(sys.argv[2]), [pathlib.Path(name).resolve() for name in sys.argv[3:]]
own = {file: outermost_names(source(file)[0], own=True) for file in files}
groups = []
for file in files:
    group = next((one for one in groups if len(one) < most and not any(apart(file, other) for other in one)), None)
    if group is None:
        groups.append([file])
    else:
        group.append(file)
for group in groups:
    print(" ".join(file.name for file in group))

#!/usr/bin/python3
"""Writes the manual pages. What can go stale is not written by hand: keys come from the schema that the checker uses and from the
drivers themselves, verbs from the command line tool's own help, events from the sources.

  make_man.py --out FOLDER --source FOLDER --version V --date YYYY-MM-DD [--penumbra FILE --driver-host FILE --drivers FOLDER]
              [--emulator COMMAND]   # runs programs of another architecture

Without the programs (a cross build that cannot run them) the pages say where the same text is found instead.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys

TABLES = ["gateway", "upstream", "reconnect", "limits", "store", "clock", "paths", "credentials", "orders", "health", "bus", "thing", "point", "report", "writable", "breaker"]
LIMIT_S = 20


def roff(text):
    """Text as roff shows it: no line is taken for a request, and hyphens and quotes stay what they are."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def prose(text):
    """Like roff(), but `code` becomes bold."""
    parts = text.split("`")
    return "".join(f"\\fB{roff(part)}\\fR" if i % 2 else roff(part) for i, part in enumerate(parts))


def kind_of(schema):
    unit = f" ({schema['x-unit']})" if "x-unit" in schema else ""
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value) for value in schema["enum"]) + unit
    kind = schema.get("format") or schema.get("type", "value")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    kind = {"object": "table", "array": "list", "string": "text"}.get(kind, kind)
    low, high = (schema.get(f"x-{end}", schema.get(end)) for end in ("minimum", "maximum"))
    low = schema.get("exclusiveMinimum", low) if low is None else low
    if low is not None and high is not None:
        kind += f", {low} to {high}"
    elif low is not None:
        kind += f", at least {low}"
    return kind + unit


def key_entry(name, schema, required, defs):
    target = schema.get("$ref", "").rsplit("/", 1)[-1]
    if target:
        schema = defs[target]
        kind = f"table, see {schema.get('x-table', target)}"
    elif schema.get("x-tables"):
        kind = "tables"
    else:
        kind = kind_of(schema)
    notes = [kind]
    if required:
        notes.append("required")
    elif "default" in schema:
        notes.append(f"default {json.dumps(schema['default'])}")
    lines = [".TP", f"\\fB{roff(name)}\\fR ({roff('; '.join(notes))})", prose(schema.get("description", ""))]
    return "\n".join(lines)


def table_section(title, schema, defs):
    required = schema.get("required", [])
    lines = [f".SS {roff(title)}", prose(schema.get("description", ""))]
    lines += [key_entry(name, value, name in required, defs) for name, value in schema.get("properties", {}).items()]
    return "\n".join(line for line in lines if line)


def run(options, *command):
    words = shlex.split(options.emulator) + [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout


def driver_sections(options):
    if not options.driver_host:
        return "The keys of a driver are shown by\n.B penumbra drivers\n.IR NAME ."
    sections = []
    for library in sorted(pathlib.Path(options.drivers).glob("*.so")):
        description = json.loads(run(options, options.driver_host, "--describe", library))
        for level, table in (("bus", "[[bus]]"), ("thing", "[[thing]]"), ("point", "[[thing.point]]")):
            schema = description.get(f"{level}_schema") or "{}"
            schema = json.loads(schema) if isinstance(schema, str) else schema
            if schema.get("properties"):
                sections.append(table_section(f"{table}, driver {description['name']}", schema, schema.get("$defs", {})))
    return "\n".join(sections)


def keys(options):
    schema = json.loads((options.source / "schema" / "penumbra-config.schema.json").read_text())
    defs = schema["$defs"]
    missing = [name for name in TABLES if name not in defs]
    if missing:
        sys.exit(f"make_man: the schema has no {', '.join(missing)}; mend TABLES")
    known = set(TABLES) | {"profile", "profile_file", "match"}
    rest = [name for name in defs if name not in known and "properties" in defs[name]]
    return "\n".join(table_section(defs[name].get("x-table", name), defs[name], defs) for name in TABLES + rest)


def profile_keys(options):
    defs = json.loads((options.source / "schema" / "penumbra-config.schema.json").read_text())["$defs"]
    tables = (("A profile", "profile_file"), ("[profile]", "profile"), ("[[match]]", "match"))
    return "\n".join(table_section(title, defs[name], defs) for title, name in tables)


def preformatted(text):
    return f".nf\n{roff(text.rstrip())}\n.fi"


def verbs(options):
    if not options.penumbra:
        return "The verbs are shown by\n.BR \"penumbra \\-\\-help\" ,\neach with its options by\n.B penumbra help\n.IR VERB ."
    general = run(options, options.penumbra, "--help")
    names = re.findall(r"^  (\S+)\s+\S", re.search(r"^Verbs:\n(.*?)\n\n", general, re.S | re.M)[1], re.M)
    out = []
    for name in names:
        usage, _, rest = run(options, options.penumbra, "help", name).partition("\n")
        body = re.sub(r"\nOptions of every verb:.*", "", rest, flags=re.S)
        out += [f".SS {roff(usage)}", preformatted(re.sub(r"^  ", "", body))]
    out += [".SH OPTIONS", preformatted(re.search(r"^Options of every verb:\n(.*?)\n\n", general, re.S | re.M)[1])]
    return "\n".join(out)


# With Write() the level is known at run time only.
LOG_CALL = re.compile(r"log::(Error|Warning|Notice|Info|Write)\((?:\w+,)?\s*\"([a-z_]+\.[a-z_0-9]+)\"")
SEVERITY = ["Info", "Notice", "Write", "Warning", "Error"]


def events_of_sources(source):
    found = {}
    for file in sorted((source / "daemon").rglob("*.cpp")):
        for level, name in LOG_CALL.findall(file.read_text()):
            found[name] = max(level, found.get(name, level), key=SEVERITY.index)
    return found


def explained(source):
    """packaging/man/events.txt: a line 'event', then lines 'cause: ...' and 'cure: ...'."""
    out = {}
    for block in (source / "packaging" / "man" / "events.txt").read_text().split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
        if lines:
            out[lines[0]] = dict(line.split(": ", 1) for line in lines[1:])
    return out


def events(options):
    texts = explained(options.source)
    out = []
    for name, level in sorted(events_of_sources(options.source).items()):
        text = texts.get(name, {})
        out += [".TP", f"\\fB{roff(name)}\\fR ({'any level' if level == 'Write' else level.lower()})"]
        out.append(prose(text.get("cause", "The message says what happened.")))
        if "cure" in text:
            out += [".br", f"\\fIWhat to do:\\fR {prose(text['cure'])}"]
    return "\n".join(out)


MARKS = {"@KEYS@": keys, "@DRIVER_KEYS@": driver_sections, "@PROFILE_KEYS@": profile_keys, "@VERBS@": verbs, "@EVENTS@": events}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--date", required=True)
    parser.add_argument("--penumbra")
    parser.add_argument("--driver-host")
    parser.add_argument("--drivers")
    parser.add_argument("--emulator", default="")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for template in sorted((options.source / "packaging" / "man").glob("*.in")):
        text = template.read_text().replace("@VERSION@", options.version).replace("@DATE@", options.date)
        for mark, make in MARKS.items():
            if mark in text:
                text = text.replace(mark, make(options))
        (options.out / template.stem).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the AWS provider of Terraform takes, read from the bindings that @cdktf/provider-aws carries for each resource, and a check of
parsed Terraform against it: unknown arguments, missing required ones, blocks written as attributes and the other way round, blocks that may
stand once, literals of the wrong type, references to attributes that a resource does not have.

The bindings are generated code, so their text is regular: of each block a table of its arguments (name, kind, is it a block), a class with a
`reset` method for each argument that may be left out, and a getter for each attribute that can be read. Nothing of them is executed.
Source: @cdktf/provider-aws, lib/<resource>/index.js."""
import dataclasses
import pathlib
import re

# What Terraform itself knows in every resource.
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}
PROVIDER_META = {"alias"}

ARGUMENT = re.compile(r'^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: "(\w+)",\n +storageClassType: "(\w+)",\n', re.M)


@dataclasses.dataclass
class Argument:
    block: bool
    kind: str  # "simple", "list", "set", "map"; of a block "list", "set" or "struct"
    stored: str  # "string", "number", "boolean", "stringMap", ...
    required: bool
    single: bool = False  # a block that may stand once
    arguments: dict = None  # of a block


@dataclasses.dataclass
class Resource:
    arguments: dict
    readable: set


class Provider:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.known = {}

    def resource(self, type_name, data=False):
        """Of "aws_iot_thing"; None: the provider has no such resource, or its bindings were not kept."""
        name = ("data-aws-" if data else "") + type_name.removeprefix("aws_").replace("_", "-")
        if name not in self.known:
            file = self.folder / name / "index.js"
            self.known[name] = read_bindings(file.read_text()) if file.exists() else None
        return self.known[name]

    def configuration(self):
        return read_bindings((self.folder / "provider" / "index.js").read_text())


def read_bindings(text):
    """The last class is the resource, those before it are its blocks."""
    classes = dict(re.findall(r"^class (\w+) extends [\w.]+ \{\n(.*?)^\}", text, re.M | re.S))
    tables = dict(re.findall(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", text, re.M | re.S))
    main = classes[list(classes)[-1]]
    resource = Resource(arguments(main.split("synthesizeHclAttributes", 1)[1], main, tables, classes),
                        set(re.findall(r"this\.get\w+Attribute\('(\w+)'\)", main)))
    resource.readable |= set(resource.arguments)
    if not resource.arguments and not resource.readable:
        raise ValueError("these are no bindings that can be read: no argument was found")
    return resource


def arguments(table, owner, tables, classes):
    """`owner`: the class with the reset methods; None where there is none (blocks of the provider itself), and nothing is required then."""
    found = {}
    for name, value, is_block, kind, stored in ARGUMENT.findall(table):
        member = re.search(r"(?:this\._|struct\.)(\w+)", value).group(1)
        reset = f"reset{member[0].upper()}{member[1:]}()"
        argument = Argument(is_block == "true", kind, stored, owner is not None and reset not in owner)
        if argument.block:
            struct = re.search(r"(\w+)ToHclTerraform", value).group(1)
            of_block = struct[0].upper() + struct[1:]
            argument.single = f"{of_block}List" not in classes
            argument.arguments = arguments(tables[struct], classes.get(f"{of_block}OutputReference"), tables, classes)
        found[name] = argument
    return found


def literal_fault(argument, value):
    """What is wrong with a value, as hcl2json gives it: expressions are text that contains ${...}."""
    if isinstance(value, str) and "${" in value:
        return None
    if argument.kind == "map":
        return None if isinstance(value, dict) else "must be a map"
    if argument.kind in ("list", "set"):
        return None if isinstance(value, list) else f"must be a {argument.kind}"
    wanted = {"string": str, "number": (int, float), "boolean": bool}.get(argument.stored)
    if wanted is None:
        return None
    # Terraform takes a number or a boolean where text is wanted, but not a list; and no text where a number is.
    fits = isinstance(value, (str, int, float)) if wanted is str else isinstance(value, wanted)
    if wanted == (int, float) and isinstance(value, bool):
        fits = False
    return None if fits else f"must be a {argument.stored}, not {value!r}"


def body_faults(where, permitted, body, meta=frozenset()):
    faults = []
    for name, value in body.items():
        argument = permitted.get(name)
        if argument is None:
            if name not in meta:
                faults.append(f"{where}: there is no argument {name}")
            continue
        blocks = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
        if not argument.block:
            fault = f"{name} is an attribute and was written as a block" if blocks else literal_fault(argument, value)
            faults += [f"{where}: {fault if blocks else f'{name} {fault}'}"] if fault else []
        elif not blocks:
            faults.append(f"{where}: {name} is a block and was written as an attribute")
        else:
            if argument.single and len(value) > 1:
                faults.append(f"{where}: {name} may stand once")
            for item in value:
                faults += body_faults(f"{where}.{name}", argument.arguments, item)
    faults += [f"{where}: {name} is required" for name, argument in permitted.items() if argument.required and name not in body]
    return faults


def references(value):
    """("aws_iot_thing", "name", "arn", is it data) of every reference to a resource in the expressions of a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str):
        # What is doubled is literal text.
        for expression in re.findall(r"(?<!\$)\$\{(.*?)\}", value.replace("\n", " ")) + re.findall(r"jsonencode\((.*)\)", value, re.S):
            for data, kind, name, attribute in re.findall(r"\b(data\.)?(aws_\w+)\.([\w-]+)\.(\w+)", expression):
                yield kind, name, attribute, bool(data)


def faults(parsed, provider):
    """Every fault of a file that hcl2json has parsed; empty: the provider takes it."""
    found = []
    for section, data in (("resource", False), ("data", True)):
        for kind, instances in parsed.get(section, {}).items():
            schema = provider.resource(kind, data)
            for name, bodies in instances.items():
                where = f"{'data.' if data else ''}{kind}.{name}"
                if schema is None:
                    found.append(f"{where}: the provider has no such resource")
                    continue
                found += [fault for body in bodies for fault in body_faults(where, schema.arguments, body, META)]
    for body in parsed.get("provider", {}).get("aws", []):
        found += body_faults("provider.aws", provider.configuration().arguments, body, PROVIDER_META)
    for kind, name, attribute, data in sorted(set(references({k: parsed.get(k, {}) for k in ("resource", "data", "output", "locals")}))):
        where = f"{'data.' if data else ''}{kind}.{name}"
        schema = provider.resource(kind, data)
        if name not in parsed.get("data" if data else "resource", {}).get(kind, {}):
            found.append(f"{where} is referred to and not there")
        elif schema and attribute not in schema.readable:
            found.append(f"{where}.{attribute}: there is no such attribute")
    return found

"""Which grants of the generated policies the process tests have used: run after them (ctest orders it so). Prints each grant that no test used,
and fails when there is one, or when something was denied: a policy that grants what nobody uses is not least privilege.

Every Cloud of harness.py leaves its lines in BUILD/policy-use. Exit code 77 (skipped) when there are none: no process test has run."""
import json
import pathlib
import sys

SKIPPED = 77
# Of these a grant may stay unused, with the reason.
MAY_STAY_UNUSED = {}


def main(folder):
    used, granted = {}, {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            for grant, count in row["used"].items():
                used[grant] = used.get(grant, 0) + count
            for grant in [*row["used"], *row["unused"]]:
                granted.setdefault(grant, row["test"])
    if not granted:
        print(f"no process test has left anything in {folder}: nothing to judge")
        return SKIPPED
    for grant in sorted(granted):
        print(f"{used.get(grant, 0):8d}  {grant}")
    unused = [grant for grant in granted if grant not in used and grant not in MAY_STAY_UNUSED]
    for grant in unused:
        print(f"no test uses: {grant} (granted in {granted[grant]})")
    return 1 if unused else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))

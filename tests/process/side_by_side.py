"""Runs process tests in several pytest processes at once: they wait for brokers and clocks far more than they compute.

    side_by_side.py FILE_test.py[:SHARES] ...

Each file is a process of its own, or as many as it has shares, every one with its part of the file's tests. Prints what each of them says, one
behind the other, and fails when one fails. Each has a folder of its own for its tests' files: short, for the sockets in it, and removed when all
went well."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest


class Share:
    """For pytest: of all the tests that it finds, only these."""

    def __init__(self, number, shares):
        self.which = slice(number, None, shares)

    def pytest_collection_modifyitems(self, config, items):
        mine = items[self.which]
        config.hook.pytest_deselected(items=[item for item in items if item not in mine])
        items[:] = mine


def run_share(folder, file, number, shares):
    return pytest.main(["-q", "-rs", "-p", "no:cacheprovider", f"--basetemp={folder}", file], plugins=[Share(int(number), int(shares))])


def run_all(files):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="process-"))
    print(f"the tests' files: {folder}", flush=True)  # for the case that this is killed
    running = []
    for file, _, shares in (argument.partition(":") for argument in files):
        for number in range(int(shares or 1)):
            place = folder / str(len(running))
            output = open(f"{place}.out", "w+", encoding="utf-8", errors="replace")
            command = [sys.executable, "-B", __file__, "--share", place, file, str(number), shares or "1"]
            running.append((subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT), output))
    codes = []
    for process, output in running:
        codes.append(process.wait())
        output.seek(0)
        print(output.read(), flush=True)
        output.close()
    if any(codes):
        print(f"exit codes: {codes}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(run_share(*arguments[1:]) if arguments[0] == "--share" else run_all(arguments))

"""tests/support/modbus_server.py (python3-pymodbus) with units whose registers a test writes down."""
import json
import subprocess

from harness import ROOT


class Server:
    """`image`: {unit: {"input"|"holding": {address: word}}}; every other address is refused with exception 2."""

    def __init__(self, folder, image, *arguments):
        file = folder / "image.json"
        file.write_text(json.dumps(image))
        program = ROOT / "tests" / "support" / "modbus_server.py"
        self.process = subprocess.Popen(["/usr/bin/python3", program, "--port", "0", "--die-with-parent", "--image", file, *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)

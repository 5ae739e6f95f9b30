"""The guide's programs (tests/process/guide), as they were written but for the cloud that they speak to."""
import os
import pathlib
import subprocess
import sys

GUIDE = pathlib.Path(__file__).resolve().parent / "guide"


def text_for(name, cloud, thing):
    """The program with this cloud's endpoint and this thing's files."""
    text = (GUIDE / name).read_text(encoding="utf-8")
    for old, new in (("xxxx-ats.iot.us-east-1.amazonaws.com", "localhost"), ("./AmazonRootCA1.pem", cloud.root_ca),
                     ("./device.cert.pem", f"{cloud.credentials}/{thing}.pem.crt"),
                     ("./device.private.key", f"{cloud.credentials}/{thing}.pem.key"), ("8883", cloud.port)):
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, str(new))
    return text


def start(program, output):
    """Runs it; what it prints is appended to a file."""
    with open(output, "ab") as out:
        return subprocess.Popen([sys.executable, "-B", "-u", program], stdout=out, stderr=out,
                                env={**os.environ, "PYTHONPATH": str(GUIDE)})

"""The tutorial, followed literally: an empty folder, the installed development files, and every block of plugins/sdk/TUTORIAL.md in its
order. The `sh` blocks run as they stand, the blocks with file=NAME are written. Then: the driver's binary in a gateway with a longer ABI."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import BUILD, ROOT

TUTORIAL = ROOT / "plugins" / "sdk" / "TUTORIAL.md"
BLOCK = re.compile(r"^```(\w+)?(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)
LIMIT_S = 150


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """PATH and the like as after `apt install penumbra penumbra-dev`, below a prefix."""
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True, timeout=60)
    return {**os.environ,
            "PATH": f"{prefix}/bin:{prefix}/sbin:/usr/bin:/bin",
            "CMAKE_PREFIX_PATH": str(prefix),
            "PKG_CONFIG_PATH": ":".join(str(p.parent) for p in prefix.rglob("penumbra-driver.pc")),
            "PENUMBRA_DRIVER_HOST": str(prefix / "libexec" / "penumbra" / "driver-host"),
            "DEBFULLNAME": "A Author", "DEBEMAIL": "author@example.org", "CCACHE_DISABLE": "1"}


def run(script, folder, environment):
    done = subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S)
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def followed(environment, tmp_path_factory):
    """Folder of the finished project, and what the commands of each block printed."""
    folder = tmp_path_factory.mktemp("empty")
    printed = []
    for language, file, text in BLOCK.findall(TUTORIAL.read_text()):
        if file:
            assert (folder / "ds18b20").is_dir(), "a file before the project"
            (folder / "ds18b20" / file).write_text(text)
        elif language == "sh":
            # Build dependencies are there, but not as packages.
            text = text.replace("dpkg-buildpackage ", "dpkg-buildpackage -d ")
            where = folder / "ds18b20" if (folder / "ds18b20").is_dir() else folder
            printed.append(run(text, where, environment))
    return folder, "\n".join(printed)


def test_every_command_of_the_tutorial_works(followed):
    _, printed = followed
    assert printed.count("100% tests passed") == 3  # twice by hand, once by dpkg-buildpackage
    assert "failed" not in printed.replace("0 tests failed", "")
    assert '"temperature":23.125' in printed
    assert "The sensor's number, as the folder of the bus shows it." in printed


def test_the_package_holds_the_driver(followed):
    folder, _ = followed
    package, = folder.glob("penumbra-driver-ds18b20_0.1.0_*.deb")
    listing = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True, timeout=30).stdout
    assert re.search(r"\./usr/lib/\S*penumbra/drivers/ds18b20\.so", listing), listing


def test_the_same_binary_loads_in_a_gateway_with_a_longer_abi(followed, environment):
    folder, _ = followed
    later = {**environment, "PENUMBRA_DRIVER_HOST": str(BUILD / "bin" / "driver-host-next")}
    assert '"temperature":23.125' in run("penumbrad --config penumbra.toml --once", folder / "ds18b20", later)


def test_pkg_config_finds_the_header_for_c(followed, environment):
    folder, _ = followed
    (folder / "c.c").write_text("#include <penumbra/driver.h>\nint main(void) { return PENUMBRA_ABI_VERSION == 1 ? 0 : 1; }\n")
    run("gcc -std=c99 -pedantic -Wall -Wextra -Werror $(pkg-config --cflags penumbra-driver) c.c -o c && ./c", folder, environment)
    assert run("pkg-config --variable=driversdir penumbra-driver", folder, environment).strip().endswith("penumbra/drivers")

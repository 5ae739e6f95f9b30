"""What the package promises and can be seen without building it."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "packaging" / "man"))
import make_man  # noqa: E402

SERVICE = ROOT / "systemd" / "penumbrad.service"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, **more)


def pages(folder):
    done = run("/usr/bin/python3", "-B", ROOT / "packaging/man/make_man.py", "--out", folder, "--source", ROOT, "--version", "1", "--date", "2026-01-01")
    assert done.returncode == 0, done.stderr
    return {page.name: page.read_text() for page in folder.iterdir()}


def test_a_refused_configuration_is_not_started_again_and_again():
    assert "RestartPreventExitStatus=78" in SERVICE.read_text().splitlines()


def test_the_service_is_exposed_no_more_than_2():
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", SERVICE)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_the_exposure_test_sees_an_open_unit(tmp_path):
    unit = tmp_path / "open.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit).returncode != 0


def test_every_explained_event_exists():
    stale = set(make_man.explained(ROOT)) - set(make_man.events_of_sources(ROOT))
    # Written before the code that logs it would be a lie in the manual.
    assert not stale


def test_every_event_has_a_cause_and_every_trouble_a_cure():
    explained = make_man.explained(ROOT)
    events = make_man.events_of_sources(ROOT)
    assert [name for name in events if not explained.get(name, {}).get("cause")] == []
    assert [name for name, level in events.items() if level in ("Warning", "Error") and not explained[name].get("cure")] == []


def test_every_event_of_the_sources_is_in_the_manual(tmp_path):
    page = pages(tmp_path)["penumbra-errors.7"]
    events = make_man.events_of_sources(ROOT)
    assert len(events) > 20
    assert [name for name in events if make_man.roff(name) not in page] == []


def test_every_key_of_the_schema_is_in_the_manual(tmp_path):
    page = pages(tmp_path)["penumbra.toml.5"]
    schema = json.loads((ROOT / "schema" / "penumbra-config.schema.json").read_text())
    keys = {key for table in schema["$defs"].values() for key in table.get("properties", {})} - {"point", "profile"}
    assert len(keys) > 50
    assert [key for key in sorted(keys) if f"\\fB{make_man.roff(key)}\\fR" not in page] == []


def test_no_page_has_a_mark_left(tmp_path):
    assert [name for name, text in pages(tmp_path).items() if re.search(r"@[A-Z_]+@", text)] == []


def test_text_cannot_become_a_request_of_roff():
    assert make_man.roff(".TH x") == "\\&.TH x"
    assert make_man.roff("a-b\\c") == "a\\-b\\ec"


def test_the_simulator_is_installed_with_every_part_of_its_demo():
    installed = set(re.findall(r"tests/demo/(\w+\.py)", (ROOT / "packaging/sim/CMakeLists.txt").read_text()))
    assert installed == {file.name for file in (ROOT / "tests/demo").glob("*.py") if not file.stem.endswith("_test")}


def test_the_simulator_names_its_verbs_to_who_asks_wrongly():
    done = run("/usr/bin/python3", "-B", ROOT / "packaging/sim/penumbra-sim", "clowd")
    assert done.returncode == 2 and "demo, cloud, ctl, modbus" in done.stderr


# Of the real tool's `--help` and `help store`, what the completion reads.
TOOL = """penumbra() {
  case $* in
    --help) cat <<'END'
Usage: penumbra VERB [options]

Verbs:
  store      what the database holds
  shadow     a thing's shadow

Options of every verb:
  --config FILE         the daemon's configuration
  --json                JSON for programs

Options of single verbs:
  --limit N                 readings: the newest N
  --format csv|jsonl|sqlite store export: form of the data
END
    ;;
    "help store") printf 'penumbra store stats|export [--thing T], or replay FILE\\n  --format csv|jsonl  form\\nOptions of every verb: see penumbra --help.\\n' ;;
    "things --json") echo '{"things":[{"thing":"hall-1","bus":"a"},{"thing":"roof","bus":"a"}]}' ;;
    *) return 1 ;;
  esac
}
"""


def completed(*words, tool=TOOL):
    script = f"""{tool}
. {ROOT}/packaging/completion/penumbra
COMP_WORDS=(penumbra "$@"); COMP_CWORD=$#; COMPREPLY=(); _penumbra; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run("bash", "-c", script, "completion", *words, cwd=ROOT / "schema")
    assert done.stderr == ""
    return done.stdout.split()


def test_the_completion_knows_what_the_tool_says_of_itself():
    assert completed("") == ["store", "shadow"]
    assert completed("--config", "x.toml", "sto") == ["store"]
    assert completed("store", "") == ["stats", "export", "replay"]
    assert completed("store", "--json", "e") == ["export"]
    assert completed("store", "--") == ["--config", "--format", "--json", "--thing"]
    assert completed("store", "export", "--format", "j") == ["jsonl"]
    assert completed("store", "export", "--thing", "") == ["hall-1", "roof"]
    assert completed("readings", "--limit", "5", "r") == ["roof"]
    assert "penumbra-config.schema.json" in completed("--config", "")
    assert completed("", tool="penumbra() { return 1; }") == [], "a tool that does not answer"


POLKIT = """
var rules = [], polkit = {Result: {YES: "yes", NO: "no", NOT_HANDLED: null}, addRule: function (rule) { rules.push(rule); }};
"""


def asked(user, action):
    """What polkitd's own engine makes of the shipped rule: "yes", "null"."""
    rule = (ROOT / "packaging" / "polkit" / "60-penumbra.rules").read_text()
    script = POLKIT + rule + f"""
if (rules.length !== 1) {{ throw new Error("one rule is shipped"); }}
print(rules[0]({{id: {json.dumps(action)}}}, {{user: {json.dumps(user)}}}));
"""
    done = run("duk", "/dev/stdin", input=script)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_service_may_have_the_machine_rebooted_and_nothing_else():
    login = "org.freedesktop.login1."
    for action in ("reboot", "reboot-multiple-sessions"):
        assert asked("penumbra", login + action) == "yes"
        for other in ("root", "pi", "penumbra-sim", "", "penumbraX"):
            assert asked(other, login + action) == "null", other
    for action in ("reboot-ignore-inhibit", "power-off", "halt", "suspend", "set-wall-message", "reboo", ""):
        assert asked("penumbra", login + action) == "null", action
    assert asked("penumbra", "org.freedesktop.systemd1.manage-units") == "null"


def test_the_rule_is_packaged_and_the_unit_lets_the_daemon_ask():
    assert "packaging/polkit/60-penumbra.rules usr/share/polkit-1/rules.d" in (ROOT / "packaging/debian/penumbra.install").read_text()
    assert re.search(r"^Recommends: .*\bpolkitd\b", (ROOT / "packaging/debian/control").read_text(), re.M)
    unit = SERVICE.read_text()
    assert re.search(r"^RestrictAddressFamilies=.*\bAF_UNIX\b", unit, re.M) and "User=penumbra" in unit
    assert "InaccessiblePaths" not in unit and "PrivateNetwork=" not in unit, "the system's D-Bus socket can be reached"
    assert "/usr/bin/systemctl reboot" in (ROOT / "daemon/model/duty_settings.hpp").read_text()

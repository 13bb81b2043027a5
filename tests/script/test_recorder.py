"""The recorder: what it records of a script is what the script computes without it."""

from pathlib import Path

from engine.script.process import ScriptProcess

SCRIPTS = Path(__file__).with_name("scripts")


def test_a_step_of_a_plain_script_is_recorded() -> None:
    with ScriptProcess(SCRIPTS / "plain.py") as process:
        tape = process.record(1)
        assert tape.step == 1
        assert tape.complete
        assert tape.value[tape.loss_row] == process.losses[1]
        assert [group.name for group in tape.moments] == ["m", "v"]
        assert process.run_out().kind == "end"
        assert len(process.losses) == 5

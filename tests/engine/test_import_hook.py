"""Changes of how a module is executed. Each test has a process of its own: imports cannot be undone."""

import subprocess
import sys

HOOK = """
import sys
from vipllava_cli.engine.import_hook import wrap_execution

def wrap(execute):
    def execute_and_mark(module):
        execute(module)
        module.mark = "changed"
    return execute_and_mark

wrap_execution("colorsys", wrap)
"""
# What an import of another thread may do between two finders of the list: here, before the last one.
MEANWHILE = """
class ImportsMeanwhile:
    def find_spec(self, name, path=None, target=None):
        if name == "wave":
            import colorsys
        return None

sys.meta_path.insert(len(sys.meta_path) - 1, ImportsMeanwhile())
import wave, colorsys
print(wave.__name__, colorsys.mark)
"""


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_changes_a_module_that_is_imported_later() -> None:
    shown = _run(HOOK + "import colorsys; print(colorsys.rgb_to_hsv(0, 0, 0), colorsys.mark)")
    assert shown == "(0.0, 0.0, 0) changed"


def test_leaves_a_module_that_is_imported_already() -> None:
    shown = _run("import colorsys\n" + HOOK + "print(hasattr(colorsys, 'mark'))")
    assert shown == "False"


def test_an_import_at_the_same_time_finds_its_module() -> None:
    assert _run(HOOK + MEANWHILE) == "wave changed"


def test_a_module_that_is_missing_is_missing() -> None:
    program = HOOK.replace('"colorsys"', '"no_such_module"')
    error = "try: import no_such_module\nexcept ModuleNotFoundError as error: print(error.name)"
    assert _run(program + error) == "no_such_module"

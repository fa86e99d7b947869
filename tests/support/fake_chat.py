"""`vipllava` with the stand-in for the model, for what does not depend on answers."""

from tests.support.fake_engine import FakeEngine
from vipllava_cli.cli.app import app
from vipllava_cli.engine import open as runtime

if __name__ == "__main__":
    runtime.open_engine = lambda *arguments, **options: FakeEngine()
    app()

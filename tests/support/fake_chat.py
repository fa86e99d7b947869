"""`vipllava` with a stand-in for the model, for tests that do not depend on answers."""

from tests.support.fake_engine import FakeEngine
from vipllava_cli.cli.app import app
from vipllava_cli.engine import open as engine_open

if __name__ == "__main__":
    engine_open.open_engine = lambda *arguments, **options: FakeEngine()
    app()

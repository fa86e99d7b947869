"""Imports that answering does not need. Each test has a process of its own: imports cannot be undone."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.model

HEAVY = (
    "torch._dynamo.eval_frame",
    "torch.distributed.tensor",
    "torch._inductor",
    "sympy",  # for torch.fx.experimental.symbolic_shapes
    "httpcore2._sync",
)


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_answering_imports_no_compiler() -> None:
    printed = _run(
        "import sys\n"
        "from vipllava_cli import load_model\n"
        "answer = load_model('tiny').ask('sample_images/garden.png', 'what is this?')\n"
        f"print(bool(answer.text), sorted(set({HEAVY}) & set(sys.modules)))"
    )
    assert printed == "True []"


def test_torch_compile_works_afterwards_and_knows_the_decorated_functions() -> None:
    printed = _run(
        "import torch, vipllava_cli; vipllava_cli.load_model('tiny')\n"
        "from transformers.integrations import deepgemm\n"
        "double = torch.compile(lambda x: 2 * x, backend='eager', fullgraph=True)\n"
        "print(double(torch.ones(2)).tolist())\n"
        "from torch._dynamo import trace_rules\n"
        "print(id(deepgemm._load_deepgemm_kernel) in trace_rules._allowed_callable_ids)\n"
        "from vipllava_cli.engine.local import deferred_imports\n"
        "print(deferred_imports._pending)"
    )
    assert printed.splitlines() == ["[2.0, 2.0]", "True", "[]"]


def test_a_function_that_the_compiler_must_skip_is_skipped() -> None:
    printed = _run(
        "import torch, vipllava_cli; vipllava_cli.load_model('tiny')\n"
        "@torch.compiler.disable\n"
        "def skipped(x):\n"
        "    return x + 1\n"
        "print(skipped(torch.ones(1)).tolist())\n"
        "compiled = torch.compile(lambda x: skipped(x) * 2, backend='eager')\n"
        "print(compiled(torch.ones(1)).tolist())\n"
        "strict = torch.compile(lambda x: skipped(x) * 2, backend='eager', fullgraph=True)\n"
        "try:\n"
        "    strict(torch.ones(1))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)"
    )
    assert printed.splitlines() == ["[2.0]", "[4.0]", "Unsupported"]


def test_flex_attention_works_afterwards() -> None:
    printed = _run(
        "import sys, torch, vipllava_cli; vipllava_cli.load_model('tiny')\n"
        "from torch.nn.attention import flex_attention\n"
        "flex_attention._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True\n"
        "print('sympy' in sys.modules)\n"
        "rows = torch.randn(1, 1, 16, 16)\n"
        "mask = flex_attention.create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 16, 16, 'cpu')\n"
        "found = flex_attention.flex_attention(rows, rows, rows, block_mask=mask)\n"
        "plain = torch.nn.functional.scaled_dot_product_attention(rows, rows, rows, is_causal=True)\n"
        "print(torch.allclose(found, plain, atol=1e-5))\n"
        "from torch.fx.experimental import symbolic_shapes\n"
        "symbolic_shapes.ShapeEnv()\n"
        "name = 'has_free_unbacked_symbols'\n"
        "print(getattr(flex_attention, name, None) in (None, getattr(symbolic_shapes, name)))"
    )
    assert printed.splitlines() == ["False", "True", "True"]


def test_a_process_that_has_the_compiler_keeps_it() -> None:
    printed = _run(
        "import torch._dynamo, vipllava_cli; vipllava_cli.load_model('tiny')\n"
        "print(type(torch._dynamo).__name__, torch._dynamo.eval_frame.__name__)"
    )
    assert printed == "module torch._dynamo.eval_frame"


def test_the_client_for_downloads_works_afterwards() -> None:
    printed = _run(
        "import vipllava_cli; vipllava_cli.load_model('tiny')\n"
        "import httpx2\n"
        "try:\n"
        "    httpx2.get('http://127.0.0.1:9/', trust_env=False)\n"
        "except httpx2.ConnectError as error:\n"
        "    import httpcore2\n"
        "    print(type(httpcore2).__name__, issubclass(httpcore2.ReadTimeout, Exception))"
    )
    assert printed == "module True"

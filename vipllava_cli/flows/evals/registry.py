"""All benchmarks by name. A new benchmark is one file and one line here."""

from collections.abc import Mapping

from vipllava_cli.flows.evals.benchmark import Benchmark
from vipllava_cli.flows.evals.clipart.benchmark import CLIPART
from vipllava_cli.flows.evals.pointqa import POINTQA
from vipllava_cli.flows.evals.vcr import VCR
from vipllava_cli.flows.evals.vip_bench import VIP_BENCH
from vipllava_cli.flows.evals.visual7w import VISUAL7W
from vipllava_cli.flows.evals.vp_bench.benchmark import VP_BENCH

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (CLIPART, VP_BENCH, VIP_BENCH, VISUAL7W, POINTQA, VCR)
}

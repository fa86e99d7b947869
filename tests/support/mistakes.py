"""The likely mistakes of each subcommand, as people type them into a shell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A mistaken command line. `code` is its exit code; 0 if the program understands what is meant."""

    kind: str
    line: str
    code: int


WRONG_ORDER = "wrong order"
MISSING_QUOTE = "missing quote"
MISSING_FILE = "missing file"
WRONG_UNIT = "wrong unit"
TYPO = "typo"
WRONG_FLAG = "wrong flag"
MISSING_VALUE = "missing value"
CLOSED_PIPE = "closed pipe"
KINDS = (
    WRONG_ORDER,
    MISSING_QUOTE,
    MISSING_FILE,
    WRONG_UNIT,
    TYPO,
    WRONG_FLAG,
    MISSING_VALUE,
    CLOSED_PIPE,
)

# A subcommand -> one line of each kind, in the order of `KINDS`, each with its exit code. Where a kind
# makes no sense for a subcommand, another likely mistake takes its place.
_LINES: dict[str, tuple[tuple[str, int], ...]] = {
    "ask": (
        ("vipllava ask 'what is this?' cat.jpg", 0),
        ("vipllava ask cat.jpg what is in the red box?", 0),
        ("vipllava ask cta.jpg 'what is this?'", 3),
        ("vipllava ask cat.jpg 'what is this?' --box 20px,80px,340px,300px", 3),
        ("vipllava aks cat.jpg 'what is this?'", 2),
        ("vipllava ask cat.jpg 'what is this?' --bbox 20,80,340,300", 2),
        ("vipllava ask cat.jpg 'what is this?' --box", 2),
        ("vipllava ask cat.jpg 'what is this?' | true", 141),
    ),
    "annotate": (
        ("vipllava annotate --box 20,80,340,300 cat.jpg out1.png", 2),
        ("vipllava annotate cat.jpg --box 20, 80, 340, 300 -o out2.png", 2),
        ("vipllava annotate cat.jgp --box 20,80,340,300 -o out3.png", 3),
        ("vipllava annotate cat.jpg --box 0.1,0.2,0.5,0.6 -o out4.png", 0),
        ("vipllava annotate cat.jpg --box redd:20,80,340,300 -o out5.png", 3),
        ("vipllava annotate cat.jpg --rectangle 20,80,340,300 -o out6.png", 2),
        ("vipllava annotate cat.jpg --box 20,80,340,300 -o", 2),
        ("vipllava annotate cat.jpg --box 20,80,340,300 -o - | true", 141),
    ),
    "batch": (
        ("vipllava batch 'what is this?' images --out r1.jsonl", 3),
        ("vipllava batch images --question what is this? --out r2.jsonl", 2),
        ("vipllava batch image --question 'what is this?' --out r3.jsonl", 3),
        ("vipllava batch images --question 'what?' --out r4.jsonl --box 20,80,340,300mm", 3),
        ("vipllava batch images --question 'what?' --out r5.jsonl --per regoin", 2),
        ("vipllava batch images --prompt 'what is this?' --out r6.jsonl", 2),
        ("vipllava batch images --question 'what is this?' --out", 2),
        ("vipllava batch images --question 'what is this?' --out r8.jsonl --dry-run | true", 141),
    ),
    "chat": (
        ("vipllava chat 'what is this?' cat.jpg", 2),
        ("vipllava chat cat.jpg what is this?", 2),
        ("vipllava chat cat.jpeg", 3),
        ("vipllava chat cat.jpg --box 20mm,80mm,340mm,300mm", 3),
        ("vipllava caht cat.jpg", 2),
        ("vipllava chat --image cat.jpg", 2),
        ("vipllava chat cat.jpg --save", 2),
        ("echo 'what is this?' | vipllava chat cat.jpg | true", 141),
    ),
    "report": (
        ("vipllava report report.html answers.jsonl", 2),
        ("vipllava report -o my page.html answers.jsonl", 2),
        ("vipllava report answer.jsonl", 3),
        ("vipllava report answers.jsonl -o page.pdf", 2),
        ("vipllava reprot answers.jsonl", 2),
        ("vipllava report answers.jsonl --output-file p6.html", 2),
        ("vipllava report", 2),
        ("vipllava report answers.jsonl -o p8.html | true", 0),
    ),
    "compare": (
        ("vipllava compare label answers.jsonl", 2),
        ("vipllava compare answers.jsonl --truth my label", 2),
        ("vipllava compare answer.jsonl --truth label", 3),
        ("vipllava compare street.jpg --truth label", 3),
        ("vipllava compare answers.jsonl --truth lable", 3),
        ("vipllava compare answers.jsonl --label label", 2),
        ("vipllava compare answers.jsonl --truth", 2),
        ("vipllava compare answers.jsonl --truth label | true", 141),
    ),
    "export": (
        ("vipllava export coco answers.jsonl -o x1.json", 2),
        ("vipllava export answers.jsonl --to coco -o my answers.json", 2),
        ("vipllava export answer.jsonl --to coco -o x3.json", 3),
        ("vipllava export answers.jsonl --to cvat -o x4.json", 2),
        ("vipllava export answers.jsonl --to label_studio -o x5.json", 2),
        ("vipllava export answers.jsonl --to coco --output-file x6.json", 2),
        ("vipllava export answers.jsonl --to coco -o", 2),
        ("vipllava export answers.jsonl --to coco -o x8.json | true", 0),
    ),
    "eval clipart": (
        ("vipllava clipart eval --n 2", 2),
        ("vipllava eval clip art --n 2", 2),
        ("vipllava eval clipart 2", 2),
        ("vipllava eval clipart --n 0.5", 2),
        ("vipllava eval clipat --n 2", 2),
        ("vipllava eval clipart --limit 2", 2),
        ("vipllava eval clipart --n", 2),
        ("vipllava eval clipart --n 2 | true", 141),
    ),
    "eval visual7w": (
        ("vipllava eval visual7w v7w --out v1", 2),
        ("vipllava eval visual 7w --data v7w --out v2", 2),
        ("vipllava eval visual7w --data v7 --out v3", 3),
        ("vipllava eval visual7w --data v7w --out v4 --limit 10%", 2),
        ("vipllava eval visual7w --data v7w --out v5 --by leter", 2),
        ("vipllava eval visual7w --data v7w --out v6 --n 2", 2),
        ("vipllava eval visual7w --data v7w", 2),
        ("vipllava eval visual7w --data v7w --out v8 --limit 1 | true", 141),
    ),
    "eval pointqa": (
        ("vipllava eval pointqa pointqa q1", 2),
        ("vipllava eval pointqa --data my pointqa --out q2", 2),
        ("vipllava eval pointqa --data poinqa --out q3", 3),
        ("vipllava eval pointqa --data pointqa --out q4 --limit 1k", 2),
        ("vipllava eval point-qa --data pointqa --out q5", 2),
        ("vipllava eval pointqa --data pointqa --output-dir q6", 2),
        ("vipllava eval pointqa --data --out q7", 2),
        ("vipllava eval pointqa --data pointqa --out q8 --limit 1 | true", 141),
    ),
    "eval vcr": (
        ("vipllava eval --data vcr vcr --out c1", 2),
        ("vipllava eval vcr --data vcr --out my results", 2),
        ("vipllava eval vcr --data vrc --out c3", 3),
        ("vipllava eval vcr --data vcr --out c4 --limit all", 2),
        ("vipllava eval vcr --data vcr --out c5 --template vicunna", 2),
        ("vipllava eval vcr --data vcr --ouput c6", 2),
        ("vipllava eval vcr --out c7", 2),
        ("vipllava eval vcr --data vcr --out c8 --limit 1 | true", 141),
    ),
    "eval vip-bench": (
        ("vipllava eval vip-bench ViP-Bench --out b1 --judge exact", 2),
        ("vipllava eval vip bench --data ViP-Bench --out b2 --judge exact", 2),
        ("vipllava eval vip-bench --data Vip-Bench --out b3 --judge exact", 3),
        ("vipllava eval vip-bench --data ViP-Bench --out b4 --judge exact --judge-parallel 0", 2),
        ("vipllava eval vip-bench --data ViP-Bench --out b5 --judge exat", 2),
        ("vipllava eval vip-bench --data ViP-Bench --out b6 --judge-adress x", 2),
        ("vipllava eval vip-bench --data ViP-Bench --out b7 --judge", 2),
        ("vipllava eval vip-bench --data ViP-Bench --out b8 --judge exact | true", 141),
    ),
    "eval vp-bench": (
        ("vipllava eval vp-bench vp_bench_stage_1.parquet --out d1", 2),
        ("vipllava eval vp bench --data vp_bench_stage_1.parquet --out d2", 2),
        ("vipllava eval vp-bench --data vp_bnech_stage_1.parquet --out d3", 3),
        ("vipllava eval vp-bench --data vp_bench_stage_1.parquet --out d4 --limit all", 2),
        ("vipllava eval vp-bench --data vp_bench_stage_1.parquet --out d5 --template vicunna", 2),
        ("vipllava eval vp-bench --data vp_bench_stage_1.parquet --ouput d6", 2),
        ("vipllava eval vp-bench --out d7", 2),
        ("vipllava eval vp-bench --data vp_bench_stage_1.parquet --out d8 --limit 1 | true", 141),
    ),
    "models list": (
        ("vipllava list models", 2),
        ("vipllava models list 7b", 2),
        ("vipllava model list", 2),
        ("vipllava models list --format json", 2),
        ("vipllava models lst", 2),
        ("vipllava models list --jsn", 2),
        ("vipllava models list --json=", 2),
        ("vipllava models list | true", 141),
    ),
    "models add": (
        ("vipllava add qwen --url http://localhost:11434/v1 --model qwen3-vl", 2),
        ("vipllava models add qwen vl --url http://localhost:11434/v1 --model qwen3-vl", 2),
        ("vipllava models add qwen", 2),
        (
            "vipllava models add qwen --url http://localhost:11434/v1 --model qwen3-vl --price 0.25,2",
            2,
        ),
        ("vipllava models ad qwen --url http://localhost:11434/v1 --model qwen3-vl", 2),
        (
            "vipllava models add qwen --url http://localhost:11434/v1 --model qwen3-vl --key MY_KEY",
            2,
        ),
        ("vipllava models add qwen --url", 2),
        ("vipllava models add qwen --url http://localhost:11434/v1 --model qwen3-vl | true", 0),
    ),
    "models pull": (
        ("vipllava pull 7b", 2),
        ("vipllava models pull 7b 13b", 2),
        ("vipllava models pull tiny", 2),
        ("vipllava models pull 7B", 0),
        ("vipllava models pul 7b", 2),
        ("vipllava models pull --model 7b", 2),
        ("vipllava models pull", 2),
        ("vipllava models pull 7b | true", 0),
    ),
    "models use": (
        ("vipllava use tiny", 2),
        ("vipllava models use build tiny", 2),
        ("vipllava models use bild/tiny", 0),
        ("vipllava models use 8b", 4),
        ("vipllava models use tinny", 4),
        ("vipllava models use --name tiny", 2),
        ("vipllava models use", 2),
        ("vipllava models use tiny | true", 0),
    ),
    "models info": (
        ("vipllava tiny models info", 2),
        ("vipllava models info build tiny", 2),
        ("vipllava models info bild/tiny", 4),
        ("vipllava models info 7gb", 4),
        ("vipllava models inof tiny", 2),
        ("vipllava models info -m tiny", 2),
        ("vipllava models info", 2),
        ("vipllava models info tiny | true", 141),
    ),
    "models remove": (
        ("vipllava remove 7b", 2),
        ("vipllava models remove 7b -f", 2),
        ("vipllava models remove 13b", 4),
        ("vipllava models remove 7gb", 4),
        ("vipllava models rmeove 7b", 2),
        ("vipllava models remove 7b --force", 2),
        ("vipllava models remove", 2),
        ("vipllava models remove --help | true", 141),
    ),
    "plan": (
        ("vipllava 7b plan", 2),
        ("vipllava plan 7b --max-memory 0=8GiB, cpu=20GiB", 2),
        ("vipllava plan bild/tiny", 4),
        ("vipllava plan tiny --max-memory 8GB", 2),
        ("vipllava paln tiny", 2),
        ("vipllava plan tiny --memory cpu=8GiB", 2),
        ("vipllava plan tiny --max-memory", 2),
        ("vipllava plan tiny | true", 141),
    ),
    "doctor": (
        ("vipllava tiny doctor", 2),
        ("vipllava doctor tiny", 2),
        ("vipllava doctor cat.jpg", 2),
        ("vipllava doctor --device gpu", 2),
        ("vipllava docter", 2),
        ("vipllava doctor --jason", 2),
        ("vipllava doctor --model", 2),
        ("vipllava doctor | true", 141),
    ),
    "config show": (
        ("vipllava show config", 2),
        ("vipllava config show max new tokens", 2),
        ("vipllava config show settings.json", 2),
        ("vipllava config show max-memory", 2),
        ("vipllava config show tempalte", 2),
        ("vipllava config show --template", 2),
        ("vipllava config shwo", 2),
        ("vipllava config show | true", 141),
    ),
    "config set": (
        ("vipllava config set vicuna template", 2),
        ("vipllava config set max new tokens 64", 2),
        ("vipllava config set model bild/tiny", 0),
        ("vipllava config set max-new-tokens 64tokens", 2),
        ("vipllava config set template vicunna", 2),
        ("vipllava config set --template vicuna", 2),
        ("vipllava config set template", 2),
        ("vipllava config set template vicuna | true", 0),
    ),
    "config unset": (
        ("vipllava unset template", 2),
        ("vipllava config unset max new tokens", 2),
        ("vipllava config unset template vicuna", 2),
        ("vipllava config unset temperature", 2),
        ("vipllava config unset templat", 2),
        ("vipllava config unset --template", 2),
        ("vipllava config unset", 2),
        ("vipllava config unset template | true", 0),
    ),
    "config path": (
        ("vipllava path config", 2),
        ("vipllava config path template", 2),
        ("vipllava config path settings.json", 2),
        ("vipllava config pth", 2),
        ("vipllava confg path", 2),
        ("vipllava config path --json", 2),
        ("vipllava config --path", 2),
        ("vipllava config path | true", 141),
    ),
    "help": (
        ("vipllava ask help", 2),
        ("vipllava help 'models pull'", 0),
        ("vipllava help cat.jpg", 2),
        ("vipllava help models 7b", 2),
        ("vipllava hlep", 2),
        ("vipllava help --ask", 2),
        ("vipllava help pull", 2),
        ("vipllava help ask | true", 141),
    ),
    "version": (
        ("vipllava version help", 2),
        ("vipllava version 0.1.0", 2),
        ("vipllava version tiny", 2),
        ("vipllava versoin", 2),
        ("vipllava --verison", 2),
        ("vipllava -v", 2),
        ("vipllava version --short", 2),
        ("vipllava version | true", 141),
    ),
}

MISTAKES = {
    subcommand: tuple(
        Mistake(kind, line, code) for kind, (line, code) in zip(KINDS, lines, strict=True)
    )
    for subcommand, lines in _LINES.items()
}

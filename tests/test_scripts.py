"""Scripts of analysis/ answer `--help` and refuse mistakes in one sentence, as the commands do."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "analysis").glob("*.py"))


def run(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_and_refusals(script: Path, tmp_path: Path) -> None:
    shown = run(script, "--help")
    assert shown.returncode == 0 and f"analysis/{script.name}" in shown.stdout and "--out" in shown.stdout
    takes_results = "results" in shown.stdout.partition("Options:")[0].lower().partition("arguments:")[2]
    words = [str(tmp_path / "none.sqlite")] if takes_results else ["--workload", "none"]
    for mistake, named in ((words, words[-1]), ([*words, "--nonsense", "1"], "--nonsense")):
        refused = run(script, *mistake)
        assert refused.returncode == 2 and named in refused.stderr and "Traceback" not in refused.stderr
        assert refused.stderr.count("\n") <= 2

"""The script that measures a GPU works, as far as a CPU can tell: `python benchmarks/gpu.py --tiny`."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_script_runs_and_writes_every_figure(gpu, monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.csv"
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--tiny", "--models", "late:TFS", "--csv", str(path)])
    gpu.main()
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert "tiny sizes, which say nothing of training" in capsys.readouterr().out
    found = {(row["name"], row["figure"]): float(row["value"]) for row in rows}
    for model in ("late:TFS", "coattention:TS"):
        assert found[model, "share of weights that differ by 1e-3 from a CPU's (CPU)"] < 0.01
        assert [found[model, f"same bits {name}"] for name in ("again", "pinned", "disk")] == [1, 1, 1]
    for precision in ("float32", "tf32", "bfloat16"):
        name, alone = f"late:TFS {precision}", found["late:TFS", "one by one x runs"]
        assert found[name, "times as fast as one by one"] == pytest.approx(alone / found[name, "all runs as one batch"])
        shares = [value for (own, figure), value in found.items() if own == name and figure in gpu.KINDS]
        assert shares and 0 < found[name, "floor: products"] < 1
    name = "wav2vec2-base, clips of 4 s"
    whole = "encoded, pooled and written"
    assert found[name, f"{whole}: share"] == pytest.approx(found[name, whole] / found[name, "bare forward pass"])


def test_every_cell_of_the_paper_s_tables_is_counted(gpu):
    seconds = dict.fromkeys([*gpu.GOALS, *gpu.FURTHER], 60.0)
    rows = {row.name: row.value for row in gpu.extrapolate(seconds)}
    assert rows["Table 1"] == 10 * 15 and rows["Table 3"] == 15  # cells x epochs, in minutes
    coattention, late = 1 + 1 + 2 + 2 + 3 + 3 + 3 + 1, 2 + 3 + 1 + 3 + 4 + 4 + 4 + 5  # 1 where measured whole, else the sum of the parts
    assert rows["Table 2"] == (coattention + late) * 15
    assert rows["Tables 1 to 3"] == pytest.approx(rows["Table 1"] + rows["Table 2"] + rows["Table 3"])


def test_kernels_are_counted_by_kind(gpu):
    names = ["mix_forward", "drop_values", "fmha_cutlassF_f32", "sm90_xmma_gemm_bf16", "ampere_sgemm_128x64", "Memcpy HtoD", "relu_kernel"]
    assert [gpu.name_kind(name) for name in names] == [
        "Equation 1",
        "dropout",
        "attention",
        "products",
        "products",
        "copies",
        "elementwise and the rest",
    ]

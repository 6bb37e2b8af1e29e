"""What a report says and what it writes: the keys of its contract, JSON that is JSON, a table that holds every row."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch import nn

import accelsim
from accelsim.console import print_report, summary
from accelsim.errors import AccelsimError
from accelsim.report import flat

TOTALS = {
    "batch", "macs", "macs_zero_inserted", "macs_scatter", "macs_effectual", "ops", "parameters", "weight_bytes",
    "compression_ratio", "offchip_read_bytes", "offchip_write_bytes", "offchip_bytes", "energy_j", "energy_j_low",
    "energy_j_high", "latency_s", "images_per_s", "meets_deadline",
}  # fmt: skip
SECTIONS = [
    "schema", "provenance", "totals", "per_image", "per_image_steady", "energy_by_component_j",
    "offchip_bytes_by_operand", "resources", "memory_plan", "quality", "layers", "assumptions",
]  # fmt: skip
ROW = {
    "name", "op", "input_shape", "output_shape", "weight_format", "input_format", "output_format", "macs",
    "macs_zero_inserted", "macs_scatter", "macs_effectual", "ops", "weight_bytes", "arithmetic", "accumulator",
    "cycles", "latency_s", "utilisation", "bound", "energy_j", "offchip_bytes", "accesses_bits", "zero_fraction",
    "clamped_fraction",
}  # fmt: skip


@pytest.fixture(scope="module")
def report():
    return accelsim.simulate("dcgan32", on="zcu104", images=20, deadline_ms=1.0)


def test_the_contract_of_the_document(report):
    document = report.document()
    assert list(document) == SECTIONS and document["schema"] == "accelsim/report/1"
    assert set(document["totals"]) == TOTALS
    assert set(document["offchip_bytes_by_operand"]) == {"weights", "inputs", "outputs", "partial_sums"}
    assert {"used", "available", "fits", "limited_by"} <= set(document["resources"])
    assert set(document["quality"]) == {"psnr_db", "psnr_db_mean", "ssim", "max_abs_error", "fid_resnet20_cifar10"}
    assert all(set(row) >= ROW for row in document["layers"])
    hashes = document["provenance"]["hashes"]
    assert all(len(hashes[what]) == 64 for what in ("graph", "weights", "hardware", "precision"))
    assert document["provenance"]["seed"] == 0 and document["provenance"]["precision"].startswith("weights=int8")


def test_the_json_is_strict_and_complete(report):
    read = json.loads(report.json(), parse_constant=pytest.fail)
    assert read == json.loads(json.dumps(report.document()))
    assert read["totals"] == report.totals and read["totals"]["meets_deadline"] is True


def test_every_absent_figure_has_its_reason(report):
    assert report.quality["fid_resnet20_cifar10"] is None
    assert any(sentence.startswith("fid_resnet20_cifar10: ") for sentence in report.assumptions)
    reasons = report.resources["reasons"]
    assert all(report.resources["used"][what] is not None or reasons[what] for what in report.resources["used"])


def test_layers_say_how_they_compute(report):
    rows = {row["name"]: row for row in report.layer_rows}
    assert list(rows) == ["fc", "up1", "up2", "up3"]
    assert rows["up1"]["op"] == "ConvTranspose2d -> LeakyReLU" and rows["up3"]["op"] == "ConvTranspose2d -> Tanh"
    assert rows["fc"]["arithmetic"] == "integer"
    assert all(row["accumulator"] == "acc32:wrap proven" for row in rows.values())
    assert all(0 <= row["zero_fraction"] <= 1 and 0 <= row["clamped_fraction"] < 0.1 for row in rows.values())
    said = " ".join(report.assumptions)
    assert all((row["arithmetic"] == "float") == (row["name"] in said) for row in rows.values() if row["name"] != "fc")
    assert all(row["bound"] in ("compute", "memory") and 0 < row["utilisation"] <= 1 for row in rows.values())


def test_the_table_is_a_data_frame(report):
    table = report.layers
    assert list(table["name"]) == ["fc", "up1", "up2", "up3"]
    assert table["energy_j"].sum() == pytest.approx(report.totals["energy_j"], rel=1e-12)
    assert "accesses_bits.ddr.weights.read" in table and table["output_shape"][3] == "3x32x32"


def test_saving(report, tmp_path):
    place = tmp_path / "deep" / "run"
    written = report.save(place)
    assert sorted(written) == sorted(place.iterdir()) and len(written) == 4
    assert (place / "report.json").read_text() == report.json()
    with (place / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["fc", "up1", "up2", "up3"]
    assert sum(int(row["offchip_bytes"]) for row in rows) == report.totals["offchip_bytes"]
    with Image.open(place / "images.png") as image:
        assert min(image.size) > 100
    arrays = load_file(place / "arrays.safetensors")
    assert np.array_equal(arrays["input.z"], report.inputs["z"])
    assert {name: array.shape for name, array in arrays.items()} == {
        "input.z": (20, 100),
        **{f"output.{name}": (20, 3, 32, 32) for name in report.outputs},
    }
    assert report.save(str(place)) == written  # again, over itself


def test_an_estimate_saves_its_tables_alone(tmp_path):
    written = accelsim.estimate("dcgan32", on="zcu104").save(tmp_path)
    assert [path.name for path in written] == ["report.json", "report.csv"]


def test_a_place_that_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(AccelsimError, match="cannot be written: "):
            report.save(place)


def test_the_images_are_the_outputs(report):
    (output,) = report.outputs.values()
    pixels = np.clip(np.floor((output + 1) * 127.5 + 0.5), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(report.images, pixels)
    squared = (report.images.astype(int) - report.float_images) ** 2
    assert report.quality["psnr_db"] == pytest.approx(10 * np.log10(255**2 / squared.mean()))
    each = 10 * np.log10(255**2 / squared.reshape(20, -1).mean(1))
    assert report.quality["psnr_db_mean"] == pytest.approx(each.mean())


def test_flat_joins_keys_and_shapes():
    assert flat({"a": {"b": {"c": 1}, "d": None}, "s": [3, 4]}) == {"a.b.c": 1, "a.d": None, "s": "3x4"}


def test_the_console_shows_layers_and_totals(report, capsys):
    print_report(report)
    shown = capsys.readouterr().out
    assert all(row["name"] in shown for row in report.layer_rows)
    assert f"{report.totals['offchip_bytes']:,} bytes off chip" in shown
    assert "110,182,400 zero-inserted" in shown and "fits" in shown


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_console_copes_with_networks_without_cost_or_layers(precision):
    bare = accelsim.simulate(nn.ReLU(), on="zcu104", images=2, precision=precision, example_inputs=torch.zeros(1, 4))
    print_report(bare)
    assert summary(bare)[0].startswith("ReLU on zcu104")


def test_random_weights_are_said_in_every_report():
    sentence = "weights are random by seed 0: quality says nothing about a trained network"
    assert sentence in accelsim.estimate("cyclegan_resnet9_256", on="zcu104").assumptions
    assert sentence in accelsim.estimate("cyclegan_resnet9_256", on="zcu104", precision="float32").assumptions
    assert not any("random" in said for said in accelsim.estimate("dcgan32", on="zcu104").assumptions)


def test_the_adder_of_asymmetric_weights_is_said_not_to_be_costed():
    said = [accelsim.estimate("dcgan32", on="zcu104", precision=p).assumptions for p in ("int4:asym", "int4:sym")]
    assert [any("asymmetric weights: the adder" in sentence for sentence in each) for each in said] == [True, False]


@pytest.mark.parametrize(("accumulator", "verb"), [("acc13:wrap", "wrapped"), ("acc13:sat", "saturated")])
def test_layers_say_how_many_accumulators_overflowed(accumulator, verb):
    text = f"weights=int8,activations=int8,accumulator={accumulator}"
    made = accelsim.simulate("dcgan32", on="zcu104", precision=text, images=2, kernels="reference")
    rows = {row["name"]: row for row in made.layer_rows}
    counts = {name: row["accumulator"].removeprefix(f"{accumulator} {verb} ") for name, row in rows.items()}
    assert all(count.isdigit() for count in counts.values()) and int(counts["up1"]) > 0
    planned = accelsim.estimate("dcgan32", on="zcu104", precision=text)
    assert {row["accumulator"] for row in planned.layer_rows} == {accumulator}
    assert {row["zero_fraction"] for row in planned.layer_rows} == {None}


class Again(nn.Module):
    """A table, a layer and a norm, each used twice."""

    def __init__(self):
        super().__init__()
        self.table, self.norm, self.fc = nn.Embedding(10, 4), nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, label):
        return self.norm(self.fc(self.fc(self.norm(self.table(label)))) + self.table(label))


@pytest.mark.parametrize(
    ("precision", "total"),
    [
        # the table's codes once; the weights once, bias and requantization of each use; epsilon, gains and offsets of
        # each norm; two factors
        ("int8", 10 * 4 + (4 * 4 + 2 * 9 * 4) + 2 * (8 + 4 * (5 + 6)) + 2 * 5),
        ("fp16", 2 * 10 * 4 + (2 * 4 * 4 + 4 * 4) + 2 * 4 * 4),  # bias and norm are 32-bit words
    ],
)
def test_what_two_nodes_share_counts_once(precision, total):
    label = torch.zeros(1, dtype=torch.int64)
    made = accelsim.estimate(Again(), on="rpi4", precision=precision, example_inputs=label)
    assert made.totals["weight_bytes"] == total

"""The files of `accelsim vectors`: complete, consistent, and the sums of another library."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from accelsim.golden.layer_files import WORDS

INT8, FEW = "int8", "weights=ternary,activations=int8"


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def layers(made):
    return [made.vectors / row["folder"] for row in manifest(made.vectors)["layers"]]


@pytest.mark.parametrize("network", ["dcgan32", "every_kind"])
def test_every_layer_has_a_folder_and_every_file_its_hash(make, network):
    made = make(network, INT8)
    names = {"dcgan32": ["fc", "up1", "up2", "up3"], "every_kind": ["rows", "mixed", "grouped", "up", "last"]}[network]
    assert [row["name"] for row in manifest(made.vectors)["layers"]] == names
    assert (made.vectors / "layers.txt").read_text().split() == [folder.name for folder in layers(made)]
    for folder in layers(made):
        said = manifest(folder)
        assert said["schema"] == "accelsim/vectors/1"
        assert {path.name for path in folder.iterdir()} == {*said["files"], "manifest.json"}
        for name, file in said["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file["sha256"]


@pytest.mark.parametrize(
    "precision", [INT8, FEW, "weights=binary,activations=binary", "weights=codebook5,activations=int8"]
)
def test_texts_hold_what_the_arrays_hold(make, precision):
    for folder in layers(make("every_kind", precision)):
        for name, file in manifest(folder)["files"].items():
            if not name.endswith(".npy"):
                continue
            values, bits = np.load(folder / name).reshape(-1).tolist(), file["bits"]
            words = [int(line, 16) for line in (folder / name).with_suffix(".mem").read_text().split()]
            assert words == [int(v > 0) if file["coding"] == "sign" else v % (1 << bits) for v in values], name


def test_packed_words_are_the_weights_by_tap(make):
    for folder in layers(make("every_kind", "weights=int4,activations=int8")):
        codes, lines = np.load(folder / "weights.npy"), (folder / "weights_packed.mem").read_text().split()
        rows = [codes[o, :, r, s] for o in range(len(codes)) for r, s in np.ndindex(codes.shape[2:])]
        assert [int(line, 16) for line in lines] == [
            sum((int(code) % 16) << (4 * i) for i, code in enumerate(row)) for row in rows
        ]


def test_the_same_facts_for_c_and_for_verilog(make):
    for folder in layers(make("every_kind", INT8)):
        facts = dict(line.split(" ", 1) for line in (folder / "layer.txt").read_text().splitlines())
        assert facts == {key: str(value) for key, value in manifest(folder)["layer"].items()}
        said = dict(
            line.removeprefix("parameter ").split(";")[0].split(" = ")
            for line in (folder / "layer.vh").read_text().splitlines()[1:]
        )
        assert said.keys() == {key.upper() for key in facts} - {"NAME"}
        for key, value in facts.items():
            if key != "name":
                words = WORDS.get(key.rpartition("_")[2], ())
                assert said[key.upper()] == (str(words.index(value)) if value in words else value)


@pytest.mark.parametrize("precision", [INT8, FEW, "fixed8", "weights=int4:asym,activations=int8"])
def test_accumulators_are_the_sums_of_torch(make, precision):
    """In float64, exact for these sizes; every accumulator here is far from its ends."""
    made = make("every_kind", precision)
    for folder in layers(made):
        f = manifest(folder)["layer"]
        x, bias, sums = (
            torch.from_numpy(np.load(folder / f"{name}.npy").astype(np.float64))
            for name in ("inputs", "bias", "accumulators")
        )
        factors = "factors" if (folder / "factors.npy").exists() else "weights"
        w = torch.from_numpy(np.load(folder / f"{factors}.npy").astype(np.float64))
        assert (factors == "factors") == bool(f["factor_bits"])
        x = x - f["input_zero_point"]
        stride, dilation = [tuple(f[f"{key}_{axis}"] for axis in ("rows", "columns")) for key in ("stride", "dilation")]
        if f["operator"] == "dense":
            expected = x @ w[:, :, 0, 0].T + bias
        elif f["operator"] == "convolution":
            x = torch.nn.functional.pad(x, (f["offset_columns"],) * 2 + (f["offset_rows"],) * 2)
            expected = torch.nn.functional.conv2d(x, w, bias, stride, 0, dilation, f["groups"])
        else:
            each_in, rows, columns = w.shape[1], f["offset_rows"], f["offset_columns"]
            w = w.reshape(f["groups"], -1, *w.shape[1:]).swapaxes(1, 2).reshape(f["groups"] * each_in, -1, *w.shape[2:])
            full = torch.nn.functional.conv_transpose2d(x, w, None, stride, 0, 0, f["groups"], dilation)
            full = torch.nn.functional.pad(full, (0, 2, 0, 2))  # rows that an output padding adds
            cropped = full[:, :, rows : rows + f["out_rows"], columns : columns + f["out_columns"]]
            expected = cropped + bias.reshape(-1, 1, 1)
        assert torch.equal(expected, sums), folder.name


def test_outputs_are_those_of_the_run(make):
    made = make("dcgan32", INT8)
    assert made.written.compared == 1 and make("every_kind", INT8).written.compared == 2
    codes, stored = np.load(made.vectors / "up3" / "outputs.npy"), load_file(made.run / "arrays.safetensors")
    values = stored["output.tanh"][:1]
    assert codes.shape == values.shape
    pairs = {(int(code), float(value)) for code, value in zip(codes.flat, values.flat, strict=True)}
    assert len(pairs) == len({code for code, _ in pairs}) > 100  # one real value for each code


def test_the_top_manifest_says_where_it_came_from(make):
    made = make("dcgan32", INT8)
    said, report = manifest(made.vectors), json.loads((made.run / "report.json").read_text())["provenance"]
    assert said["schema"] == "accelsim/vectors/1" and said["images"] == 1
    assert all(said[key] == report[key] for key in ("workload", "hardware", "precision", "seed", "hashes"))
    assert manifest(made.vectors / "up3")["formats"] == {
        "weights": "int8:channel:sym",
        "inputs": "int8:tensor:asym",
        "outputs": "int8:tensor:asym",
        "accumulator": "acc32:wrap",
    }

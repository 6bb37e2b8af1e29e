"""One layer as a folder: arrays, `layer.txt` for a C program, `layer.vh` for Verilog, and manifest.json."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.golden.layer_vectors import Facts, LayerVectors
from accelsim.golden.memory_file import bit_patterns, packed_text, save_vector

SCHEMA = "accelsim/vectors/1"
PACKED = "weights_packed.mem"
WORDS = {
    "operator": ("dense", "convolution", "transposed_convolution"),
    "coding": ("signed", "unsigned", "sign"),
    "overflow": ("wrap", "sat", "sat_sym", "sat_zero"),
    "scale": ("single", "double", "float", "slopes", "sign"),
    "rounding": ("trn", "trn_zero", "rnd", "rnd_min_inf", "rnd_inf", "rnd_zero", "rnd_conv"),
    "activation": ("none", "table", "knots"),
}
"""Words of `layer.txt` by the end of their key; in `layer.vh` they are their places in these lists."""
ORDER = {
    "arrays": "row-major: inputs [image, channel, row, column], dense [image, feature]; outputs, accumulators and"
    " landed likewise; weights and factors [output channel, input channel of the group, kernel row, kernel column]",
    "packed": "a word for each tap [output channel, kernel row, kernel column] in row-major order; input channel i of"
    " the group in bits i * weight_bits and up",
    "sums": "from the bias; taps in the order of the input that they read, rows, then columns, both rising (in a"
    " transposed convolution the taps themselves fall); within a tap input channels rising, `tree` of them at a time",
    "mem": "one hexadecimal word a line, two's complement, for $readmemh; coding unsigned: as it is; coding sign: one"
    " bit, 1 for +1 and 0 for -1",
}


def write_layer(layer: LayerVectors, folder: Path) -> dict[str, Any]:
    """Write the folder, which must not exist; returns its manifest."""
    folder.mkdir()
    files: dict[str, dict[str, Any]] = {}
    for name, vector in layer.arrays.items():
        described = {"shape": list(vector.values.shape), "bits": vector.bits, "coding": vector.coding}
        for path in save_vector(vector, folder, name):
            files[path.name] = described | {"sha256": _sha256(path)}
    parts = layer.packed.values.shape
    patterns = bit_patterns(layer.packed).reshape(parts)
    (folder / PACKED).write_bytes(packed_text(patterns, layer.packed.bits))
    files[PACKED] = {
        "shape": [parts[0]],
        "bits": parts[1] * layer.packed.bits,
        "coding": f"{parts[1]} parts, each {layer.packed.coding}",
        "sha256": _sha256(folder / PACKED),
    }
    for name, text in (("layer.txt", layer_text(layer.facts)), ("layer.vh", verilog_text(layer.facts))):
        (folder / name).write_text(text, encoding="utf-8")
        files[name] = {"sha256": _sha256(folder / name)}
    manifest = {
        "schema": SCHEMA,
        "layer": layer.facts,
        "formats": layer.formats,
        "outputs": int(np.prod(layer.arrays["outputs"].values.shape)),
        "overflowed": layer.overflowed,
        "order": ORDER,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def layer_text(facts: Facts) -> str:
    """A key and a value a line."""
    return "".join(f"{key} {value}\n" for key, value in facts.items())


def verilog_text(facts: Facts) -> str:
    """The same as parameters; words are numbers, as `WORDS` says, the name is left out."""
    lines = ["// Included in a module; words are their places in the lists of docs/golden_vectors.md."]
    for key, value in facts.items():
        if isinstance(value, str) and key != "name":
            words = WORDS[key.rpartition("_")[2]]
            lines.append(f"parameter {key.upper()} = {words.index(value)}; // {value}")
        elif isinstance(value, int):
            lines.append(f"parameter {key.upper()} = {value};")
    return "\n".join(lines) + "\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Formats of the first, the last and single layers, and what happens to names that the graph does not have."""

import re
from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.formats import assign_formats

NET = Graph(
    "net",
    (Input("z", (3,)),),
    (
        Node("fc", ops.Dense(3, 16, False), ("z",)),
        Node("view", ops.Reshape((4, 2, 2)), ("fc",)),
        Node("up", ops.ConvTranspose2d(4, 6, (3, 3), (2, 2), (1, 1), (1, 0, 0, 1), 2, True), ("view",), (ops.ReLU(),)),
        Node("tanh", ops.Tanh(), ("up",)),
        Node("to_rgb", ops.Conv2d(6, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("tanh",)),
    ),
    ("to_rgb",),
)


def bits(program: Program) -> tuple[dict[str, int], dict[str, int]]:
    return (
        {name: layer.weights.bits for name, layer in program.linear.items()},
        {name: encoding.format.bits for name, encoding in program.encodings.items()},
    )


def test_first_last_and_named_layers() -> None:
    weights, values = bits(assign_formats(NET, parse_precision("int4,first=int6,last.weights=int7")))
    assert weights == {"fc": 6, "up": 4, "to_rgb": 7}
    assert values == {"z": 8, "fc": 6, "view": 6, "up": 4, "tanh": 4, "to_rgb": 8}
    named = "int4,layers.up.weights=int5,layers.tanh.activations=int9,layers.to_rgb.activations=int3,last=int7"
    weights, values = bits(assign_formats(NET, parse_precision(named)))
    assert weights == {"fc": 4, "up": 5, "to_rgb": 7}
    assert values == {"z": 8, "fc": 4, "view": 4, "up": 4, "tanh": 9, "to_rgb": 3}  # below 8 bits, because it is named
    _, values = bits(assign_formats(NET, parse_precision("int4,layers.z.activations=int5")))
    assert values["z"] == 5


def test_accumulators_follow_the_widths_that_meet() -> None:
    text = "int8,layers.fc.activations=int12,layers.to_rgb.accumulator=acc20"
    program = assign_formats(NET, parse_precision(text))
    assert {name: str(layer.accumulator) for name, layer in program.linear.items()} == {
        "fc": "acc32:wrap", "up": "acc48:wrap", "to_rgb": "acc20:wrap"
    }  # fmt: skip


@pytest.mark.parametrize(("part", "message"), [
    ("layers.upp=int8", "precision: layers.upp: net has no layer 'upp' (did you mean 'up'?)"),
    ("layers.xyz=int8", "precision: layers.xyz: net has no layer 'xyz'; it has z, fc, up, tanh, to_rgb"),
    ("layers.view.activations=int8", "layers.view: keeps the codes of 'fc': give that one a format"),
    ("layers.tanh=int8", "layers.tanh: multiplies no weights: only its activations can have a format"),
    ("layers.z.accumulator=acc32", "layers.z: multiplies no weights"),
])  # fmt: skip
def test_names_that_cannot_be(part: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)):
        assign_formats(NET, parse_precision(f"int4,{part}"))


def test_names_in_a_file_are_located(tmp_path: Path) -> None:
    path = tmp_path / "mixed.yaml"
    path.write_text("weights: int4\nactivations: int8\nlayers:\n  fc: int8\n  to_rbg: int8\n  view: int8\n")
    with pytest.raises(AccelsimError) as caught:
        assign_formats(NET, parse_precision(str(path)))
    assert str(caught.value).splitlines() == [
        f"{path}:5: layers.to_rbg: net has no layer 'to_rbg' (did you mean 'to_rgb'?)",
        f"{path}:6: layers.view: keeps the codes of 'fc': give that one a format",
    ]

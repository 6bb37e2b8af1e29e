"""What `accelsim show` says of machines, workloads and graphs."""

import pytest

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.hardware.load import load_architecture
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import Constant, Dense
from accelsim.shared import find_shared, list_shared
from accelsim.showing import layers_text, show_text


@pytest.mark.parametrize("name", list_shared("hw_configs"))
def test_every_shipped_machine_is_shown_with_all_that_its_file_says(name):
    text = show_text(name)
    machine = load_architecture(name)
    assert text.startswith(f"{name}: {machine.kind}, ")
    assert all(source in text for source in machine.sources)
    for part in (*getattr(machine, "memories", ()), *getattr(machine, "formats", ())):
        assert getattr(part, "name", part) in text
    section = getattr(machine, machine.kind)
    for field in type(section).model_fields:
        if field == "formats":  # a table
            assert all(f"\n{key} " in text for key in section.formats)
        else:
            assert f"\n  {field}:" in text or getattr(section, field) in ({}, None)


def test_boxes_are_closed_and_of_one_width():
    for name in ("zcu104", "eyeriss", "rpi4"):
        boxed = [line for line in show_text(name).splitlines() if line.startswith(("+", "| "))]
        assert len({len(line) for line in boxed}) == 1
        assert all(line[0] == line[-1] for line in boxed)


def test_the_fan_out_stands_between_shared_memories_and_those_of_each_pe():
    lines = show_text("eyeriss").splitlines()
    place = {
        word: i for i, line in enumerate(lines) for word in ("glb", "rows run", "168 PEs", "filters") if word in line
    }
    assert place["glb"] < place["rows run"] < place["168 PEs"] < place["filters"]
    assert [line for line in lines if "(in each)" in line] == [line for line in lines if "register_file" in line]


def test_figures_of_a_machine():
    text = show_text("zcu104")
    assert "32 x 32 = 1024 PEs" in text
    assert "17,856 bit/cycle" in text
    assert "int8                2   409.6  1.125 (0.64 to 1.5)" in text


def test_a_workload_shows_its_layers_and_the_three_counts():
    lines = show_text("dcgan32").splitlines()
    assert lines[0] == "workload dcgan32"
    assert lines[-1].split() == ["total", "1,438,784", "110,182,400", "27,852,800", "22,232,768"]
    up1 = next(line for line in lines if line.startswith("up1"))
    assert up1.split() == ["up1", "ConvTranspose2d", "128x8x8", "819,200", "52,428,800", "13,107,200", "9,469,952"]


def test_a_layer_shows_what_is_trained_and_the_total_counts_what_is_shared_once():
    nodes = (
        Node("a", Dense(4, 4, bias=False), ("x",)),
        Node("b", Dense(4, 4, bias=False), ("a",), parameters="a"),
        Node("buffer", Constant((4,)), ("x",)),
        Node("c", Dense(4, 2, bias=True), ("b",)),
    )
    graph = Graph("net", (Input("x", (4,)),), nodes, ("c", "buffer"), frozenset({"buffer.value", "c.bias"}))
    shown = {line.split()[0]: line.split() for line in layers_text(graph).splitlines()}
    assert "buffer" not in shown
    assert [shown[name][3] for name in "abc"] == ["16", "16", "8"]
    assert shown["total"][1] == "24"


def test_paths_are_shown_by_what_the_file_says(tmp_path):
    machine = tmp_path / "mine.yaml"
    machine.write_text(find_shared("hw_configs", "zcu104").read_text().replace("name: zcu104", "name: mine"))
    assert show_text(str(machine)).startswith("mine: fpga, ")
    graph = find_shared("workloads", "dcgan32").parent / "graphs" / "dcgan32.json"
    assert "graph dcgan32" in show_text(str(graph))
    machine.write_text("schema: accelsim/hardware/1\nkind: fpga\n")
    with pytest.raises(LocatedErrors, match=r"mine.yaml:1: name: missing"):
        show_text(str(machine))


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(AccelsimError, match=r"no machine, workload or graph 'eyeris' \(did you mean 'eyeriss'\?\)"):
        show_text("eyeris")


def test_a_pipeline_is_drawn_with_its_link_and_its_device():
    lines = show_text("pynq_z1_stream").splitlines()
    boxed = [line for line in lines if line.startswith(("+", "| "))]
    assert len({len(line) for line in boxed}) == 1
    assert any("xc7z020: 53,200 lut, 106,400 ff, 220 dsp, 140 bram36, 0 uram" in line for line in boxed)
    assert "  | inputs, 64 bit/cycle          ^ outputs, 64 bit/cycle" in lines

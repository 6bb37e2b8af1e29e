from pathlib import Path

import pytest

from accelsim import shared
from accelsim.errors import AccelsimError


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("fpga/zcu104.yaml", "fpga/zcu102.yaml", "cpu/rpi4.yaml", "cpu/notes.txt"):
        file = tmp_path / "checkout" / "hw_configs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x: 1\n")
    monkeypatch.setattr(shared, "_CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(shared, "_PACKAGED", tmp_path / "wheel")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_are_stems_in_order_without_other_suffixes(checkout: Path) -> None:
    assert list(shared.list_shared("hw_configs")) == ["rpi4", "zcu102", "zcu104"]


def test_a_shipped_name(checkout: Path) -> None:
    assert shared.find_shared("hw_configs", "zcu104") == checkout / "checkout/hw_configs/fpga/zcu104.yaml"


def test_a_wheel_wins_over_the_checkout(checkout: Path) -> None:
    packaged = checkout / "wheel" / "hw_configs" / "zcu104.yaml"
    packaged.parent.mkdir(parents=True)
    packaged.write_text("x: 1\n")
    assert shared.find_shared("hw_configs", "zcu104") == packaged


def test_an_existing_path_wins_over_a_shipped_name(checkout: Path) -> None:
    (checkout / "zcu104").write_text("mine\n")
    assert shared.find_shared("hw_configs", "zcu104") == Path("zcu104")


def test_a_folder_of_the_same_name_does_not_hide_the_shipped_file(checkout: Path) -> None:
    (checkout / "zcu104").mkdir()
    assert shared.find_shared("hw_configs", "zcu104").name == "zcu104.yaml"


def test_an_unknown_name_says_what_is_near_and_what_there_is(checkout: Path) -> None:
    with pytest.raises(AccelsimError) as caught:
        shared.find_shared("hw_configs", "zcu140")
    message, hint = str(caught.value).split("\n")
    assert message.startswith("no hardware 'zcu140' (did you mean 'zcu10")
    assert hint == "hint: shipped: rpi4, zcu102, zcu104; or give a path"


@pytest.mark.parametrize("name", ["", "no/such/zcu104.yaml", "x" * 5000, "nul\0byte", "."])
def test_odd_names_are_one_clear_error(checkout: Path, name: str) -> None:
    with pytest.raises(AccelsimError, match="no hardware"):
        shared.find_shared("hw_configs", name)


def test_nothing_shipped_at_all(checkout: Path) -> None:
    with pytest.raises(AccelsimError, match="no workload 'dcgan32'"):
        shared.find_shared("workloads", "dcgan32")

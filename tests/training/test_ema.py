import pytest
import torch
from torch import nn

from accelsim.training.ema import Ema


def set_weight(module: nn.Linear, value: float) -> None:
    with torch.no_grad():
        module.weight.fill_(value)


def test_warms_up_then_decays_as_stated() -> None:
    module = nn.Linear(1, 1, bias=False)
    set_weight(module, 0.0)
    ema, expected = Ema(module, 0.5), 0.0
    for step in range(1, 21):
        set_weight(module, float(step))
        ema.update(module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert ema.average.weight.item() == pytest.approx(expected, rel=1e-5)
    assert ema.step == 20


def test_the_average_is_a_copy_in_eval_mode_that_counts_batches_exactly() -> None:
    module = nn.BatchNorm1d(2)
    ema = Ema(module, 0.9)
    module(torch.randn(8, 2) + 5)
    assert module.training
    assert not ema.average.training
    assert ema.average.running_mean.tolist() == [0, 0]
    ema.update(module)
    assert ema.average.num_batches_tracked.item() == 1
    assert ema.average.running_mean.tolist() != [0, 0]

"""The networks of Xilinx BNN-PYNQ and finn-examples as their FPGA pipelines run them: shapes alone, without thresholds.

Xilinx/BNN-PYNQ@d39c1c75, bnn/src/network/{cnvW1A1,lfcW1A1}/hw/config.h: CNV of Umuroglu et al., FINN, FPGA 2017, for
CIFAR-10, and LFC for MNIST. Outputs are padded to 64, the inputs of LFC from 784 to 832, as config.h has them;
thresholds of an activation follow from its bits, so no node stands for them.
"""

from torch import Tensor, nn


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, bias=False)


class Cnv(nn.Module):
    """Images `[N, 3, 32, 32]` -> `[N, outputs]`; six convolutions of 3 x 3 taps without border, three dense layers."""

    def __init__(self, outputs: int = 64) -> None:
        super().__init__()
        self.conv0, self.conv1, self.pool1 = _conv(3, 64), _conv(64, 64), nn.MaxPool2d(2)
        self.conv2, self.conv3, self.pool3 = _conv(64, 128), _conv(128, 128), nn.MaxPool2d(2)
        self.conv4, self.conv5 = _conv(128, 256), _conv(256, 256)
        self.fc6 = nn.Linear(256, 512, bias=False)
        self.fc7 = nn.Linear(512, 512, bias=False)
        self.fc8 = nn.Linear(512, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool1(self.conv1(self.conv0(x)))
        h = self.pool3(self.conv3(self.conv2(h)))
        made: Tensor = self.fc8(self.fc7(self.fc6(self.conv5(self.conv4(h)).flatten(1))))
        return made


class CnvFinn(Cnv):
    """The same with its 10 outputs, as finn-examples builds it."""

    def __init__(self) -> None:
        super().__init__(10)


class Lfc(nn.Module):
    """Padded images `[N, 832]` -> `[N, 64]`: three hidden layers of 1,024."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0 = nn.Linear(832, 1024, bias=False)
        self.fc1 = nn.Linear(1024, 1024, bias=False)
        self.fc2 = nn.Linear(1024, 1024, bias=False)
        self.fc3 = nn.Linear(1024, 64, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.fc3(self.fc2(self.fc1(self.fc0(x))))
        return made

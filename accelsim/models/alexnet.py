"""The layers of AlexNet as the papers on Eyeriss measure them: apart, each on an input that has its zero border stored.

Krizhevsky, Sutskever, Hinton, NIPS 2012: conv2, conv4 and conv5 see half of the channels each (groups 2), conv1 reads
227 x 227. 60,965,224 parameters; only shapes are used, so no weights are stored.
"""

from torch import Tensor, nn


class AlexNetLayers(nn.Module):
    """One input and one output for each layer, which know nothing of each other: a table of shapes as a network.

    Inputs `[N, 3, 227, 227]`, `[N, 96, 31, 31]`, `[N, 256, 15, 15]`, `[N, 384, 15, 15]` twice, `[N, 9216]`, `[N, 4096]`
    twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3)
        self.conv4 = nn.Conv2d(384, 384, 3, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, groups=2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)

    def forward(
        self, x1: Tensor, x2: Tensor, x3: Tensor, x4: Tensor, x5: Tensor, x6: Tensor, x7: Tensor, x8: Tensor
    ) -> tuple[Tensor, ...]:
        convolutions = self.conv1(x1), self.conv2(x2), self.conv3(x3), self.conv4(x4), self.conv5(x5)
        return (*convolutions, self.fc1(x6), self.fc2(x7), self.fc3(x8))

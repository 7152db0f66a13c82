"""Initial weights, as the code that a recipe comes from draws them."""

from torch import Tensor, nn

from model.recognizer import Recognizer

INITIAL = ("torch", "stgcn", "mmaction2")
STD = 0.02


def draw_initial(network: Recognizer, initial: str) -> None:
    """Draw the weights of a new network again.

    "torch" leaves torch's own and a classifier of N(0, 0.01), as PYSKL. "stgcn" is the original's: convolutions and
    classifier N(0, 0.02), factors of normalisations N(1, 0.02), biases 0. "mmaction2" is that of 0.x: convolutions
    normal after Kaiming (fan out), their biases 0, classifier N(0, 0.01). What is learned of the adjacency, and linear
    layers but the classifier, stay as they are in all three.

    Raises:
        ValueError: if there is no such way.

    Source: Yan et al. 2018, their code; mmaction2 0.x.
    """
    if initial not in INITIAL:
        raise ValueError(f"initial is one of {', '.join(INITIAL)}, got '{initial}'")
    if initial == "stgcn":
        network.apply(_as_stgcn)
        nn.init.normal_(network.parts.classifier.weight, std=STD)  # a 1x1 convolution there
    elif initial == "mmaction2":
        network.apply(spread_out)


def _as_stgcn(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=STD)
        zero(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=STD)


def spread_out(module: nn.Module) -> None:
    """Draw a convolution's weights after Kaiming (fan out), its bias 0; leave other modules as they are."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        zero(module.bias)


def zero(*tensors: Tensor | None) -> None:
    """Set trained tensors to zero."""
    for tensor in tensors:
        if tensor is not None:
            nn.init.zeros_(tensor)

"""Networks that folding could change, and rows for them, in float64: what differs there is wrong, not rounded."""

import torch


def trained(network):
    """Move statistics and weights away from zeros and ones, some factors below zero; return in float64, to evaluate."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in network.double().state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(drawn + 0.5 if key.endswith("running_var") else 2 * drawn - 1)
    return network.eval()


def rows(*shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last)

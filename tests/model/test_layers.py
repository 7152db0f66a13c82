"""Pieces that several layers use."""

import pytest
import torch
from torch.nn import functional as F

from model.layers import pointwise_conv


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 7, 8])
def test_a_pointwise_convolution_is_torchs_own(stride, frames):
    conv = pointwise_conv(16, 5, bias=True, stride=stride)
    x = torch.randn(2, 16, frames, 4)
    expected = F.conv2d(x, conv.weight, conv.bias, stride=(stride, 1))
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("channels", [1, 8, 15])
def test_few_channels_that_come_last_are_trained_through_a_stride(channels):
    """Torch's own stride ends the process here, so this test fails with all others."""
    conv = pointwise_conv(channels, 2, bias=True, stride=2)
    x = torch.randn(2, channels, 50, 25).contiguous(memory_format=torch.channels_last).requires_grad_()
    conv(x).sum().backward()
    assert torch.equal(x.grad[:, :, 1::2], torch.zeros_like(x.grad[:, :, 1::2]))
    assert conv.weight.grad.isfinite().all()

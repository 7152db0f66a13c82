"""Fixtures that several rooms' tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of goldens and facts beside the checkout; skips, in words, where there is none."""
    if not SHARED.is_dir():
        message = f"{SHARED} is absent: the originals' outputs to compare with are not part of the project"
        if os.environ.get("CI") == "true":
            pytest.fail(message + ", and CI=true requires them")
        pytest.skip(message)
    return SHARED


@pytest.fixture(scope="session")
def goldens(shared: Path) -> Path:
    """Outputs of the original EfficientGCN on known inputs (its README lists them)."""
    return shared / "goldens" / "efficientgcn"

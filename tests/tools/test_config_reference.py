"""The configuration reference: up to date, complete, and its `--check` says so."""

import pytest

from config import EfficientGCN, Local, NtuData, Sgd
from tools.config_reference import TARGET, main, reference


def test_the_page_is_up_to_date():
    assert TARGET.read_text(encoding="utf-8") == reference(), "run: python -m tools.config_reference"


@pytest.mark.parametrize(
    ("section", "path"),
    [(NtuData, "data."), (EfficientGCN, "model."), (Sgd, "train.optimizer."), (Local, "")],
)
def test_every_key_has_a_row(section, path):
    page = reference()
    for key in section.model_fields:
        assert f"\n| `{path}{key}` |" in page


def test_rows_say_values_and_defaults():
    page = reference()
    assert "| `model.drop_prob` | number >= 0, < 1 | required |" in page
    assert "| `train.clip_norm` | number > 0 | none |" in page
    assert "| `train.accumulate` | whole number >= 1 | `1` |" in page
    assert "| `data.variant` | `original` `transformed` `prenormalized` `prenormalized-2d` " in page


def test_it_writes_and_checks(tmp_path, capsys):
    page = tmp_path / "page.md"
    assert main(["--check"], page) == 1
    assert "run python -m tools.config_reference" in capsys.readouterr().err
    assert main([], page) == 0
    assert main(["--check"], page) == 0
    page.write_text("edited by hand", encoding="utf-8")
    assert main(["--check"], page) == 1

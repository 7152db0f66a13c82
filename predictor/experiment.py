"""The experiment that a file states: a checkpoint of ours, or the json beside a program."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config import Config
from utils.checkpoint_import import read_checkpoint
from utils.errors import UserError


def stated_config(weights: Path) -> Config:
    """Return the experiment that a checkpoint states; raises `UserError` for one of other code, which states none."""
    imported = read_checkpoint(weights)
    if imported.form != "gesta":
        raise UserError(f"{weights}: of form {imported.form}, which states no experiment; name it with -c NUMBER")
    return config_of(imported.raw["config"], weights)


def config_of(stated: dict[str, Any], path: Path) -> Config:
    """Return an experiment as a file states it in JSON; raises `UserError` if this Gesta knows no such one."""
    try:
        return Config.model_validate_json(json.dumps(stated))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{path}: states an experiment of another version ({key}); name yours with -c NUMBER") from None

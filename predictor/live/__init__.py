"""Live: pose frames in, decisions out, a JSON line each; docs/live.md says what the lines hold."""

from predictor.live.command import run, settings_of
from predictor.live.server import listen
from predictor.live.session import serve
from predictor.live.settings import Settings
from predictor.live.statistics import Statistics

__all__ = ["Settings", "Statistics", "listen", "run", "serve", "settings_of"]

"""What our command lines share: a wrong one, like anything that the user can mend, is one line and exit code 2."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from utils.errors import UserError


class Parser(argparse.ArgumentParser):
    """Takes flags as they are spelled, shows the module's text as it is, and complains in one line."""

    def __init__(self, prog: str, description: str | None) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=description, formatter_class=form, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(f"command line: {message}; `{self.prog} -h` shows all flags")


def guarded(action: Callable[[], int], *errors: type[Exception]) -> int:
    """Return the exit code of `action`; `UserError` and `errors` become one line and 2, Ctrl-C becomes 130."""
    users: tuple[type[BaseException], ...] = (UserError, *errors)
    try:
        return action()
    except users as error:
        return say(str(error), 2)
    except KeyboardInterrupt:
        return say("interrupted; what was complete is saved, and the same command goes on", 130)


def say(message: str, code: int) -> int:
    """Print `message` to stderr and return `code`."""
    print(message, file=sys.stderr)
    return code

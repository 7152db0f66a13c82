"""What is asked of the pictures, and what that means for a split: classes and clips by name or number."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils.errors import UserError


@dataclass(frozen=True)
class Request:
    """What is asked of the pictures; the report does not depend on it.

    Attributes:
        class_: name, or number from 1, of the class whose activation is drawn; None or "0": each clip's true class.
        clips: names, or places in the split from 0, of the clips that become pictures; none: the one most wrong.
        frames: of these clips, from 0 among those that the network saw; none: what shows a clip best.
        say: takes a line; None: standard output has it.
    """

    class_: str | None = None
    clips: Sequence[str] = ()
    frames: Sequence[int] = ()
    say: Callable[[str], object] | None = None

    def words(self) -> list[str]:
        """Return the words of the command line that ask for it."""
        named = {"-vc": [self.class_] if self.class_ else [], "-vs": self.clips, "-vf": list(map(str, self.frames))}
        return [word for flag, values in named.items() if values for word in (flag, *values)]


def find_class(text: str | None, classes: Sequence[str]) -> int | None:
    """Return the class that `text` names or numbers from 1; None for each clip's true class.

    Raises:
        UserError: naming the nearest class.
    """
    plain = [_plain(each) for each in classes]
    if text is None or (text == "0" and "0" not in plain):
        return None
    if _plain(text) in plain:
        return plain.index(_plain(text))
    if _is_number(text) and 1 <= int(text) <= len(classes):
        return int(text) - 1
    near = _nearest(_plain(text), plain)
    raise UserError(f"-vc {text}: no such class; nearest is {near + 1}, '{classes[near]}' (1 to {len(classes)})")


def find_clip(text: str, names: Sequence[str]) -> int:
    """Return the place of the clip that `text` names, or numbers from 0; raises `UserError` naming the nearest."""
    if text in names:
        return names.index(text)
    if _is_number(text) and int(text) < len(names):
        return int(text)
    near = _nearest(text, names)
    raise UserError(f"-vs {text}: no such clip; nearest is {names[near]}; or a number from 0 to {len(names) - 1}")


def refuse_frames(frames: Sequence[int], clip: str, length: int) -> None:
    """Raise `UserError` unless all `frames` are among the `length` that the network saw of a clip."""
    outside = [frame for frame in frames if not 0 <= frame < length]
    if outside:
        raise UserError(f"-vf {outside[0]}: the network saw {length} frames of {clip}; give 0 to {length - 1}")


def _nearest(text: str, known: Sequence[str]) -> int:
    """Return the place of a name that `text` is a part of, else of the one that it is most like."""
    parts = (place for place, name in enumerate(known) if text and text in name)
    return next(parts, known.index(difflib.get_close_matches(text, known, n=1, cutoff=0.0)[0]))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())

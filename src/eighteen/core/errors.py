"""What can go wrong, and the exit code it leaves.

Every message has three parts: what came, what was expected, what to do next. An `EighteenError` is an
answer to the user and is printed as one line; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations


class EighteenError(Exception):
    """A clear refusal: the command line prints it and exits with `exit_code`."""

    exit_code: int = 1


class DatasetError(EighteenError):
    """The path given is no data set that can be read."""


class RecipeError(EighteenError):
    """A recipe holds unknown keys or values outside their limits; all of them are named at once."""


class RunError(EighteenError):
    """A run folder is missing, damaged, newer than this program, or in the way."""


class WeightsError(EighteenError):
    """Weights cannot be fetched, read or fitted to the network."""


class TrainingError(EighteenError):
    """Training cannot go on: not-finite loss, no pictures of a class, and the like."""


class GateError(EighteenError):
    """A gate said no (a blocking finding, a failed parity check)."""

    exit_code = 3


class CannotKeepError(EighteenError):
    """A format cannot hold these layers in float among integers; others it may."""


class Interrupted(EighteenError):
    """The user stopped the run; its state is saved and it resumes."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnreadableImage(EighteenError):
    """A file is no picture that can be used.

    Attributes:
        path: what was to be read, as the caller named it ("<bytes>" where it had no name).
        reason: why not, in words for a person, with what to do where something can be done.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[str, str]]:
        return type(self), (self.path, self.reason)

"""Exceptions that a command reports in one line."""


class InputError(ValueError):
    """The user's input is wrong.

    The message is one line: what is wrong, where (file, key, value) and what would be right. Lines to copy into a file
    may follow. The command line tools print it without a traceback and exit with status 2.
    """


class RunStopped(RuntimeError):
    """A run was stopped on purpose: nothing is wrong with the input or the code. Exit status 1, one line."""


class RollBack(RunStopped):
    """A run is to resume from its last intact checkpoint, at half the learning rate.

    Attributes:
        count: How many times the run has been rolled back, including this one.
    """

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class RunInterrupted(SystemExit):
    """A signal ended a run, and its progress is saved.

    Exit status 1. Python prints the one-line message and no traceback, so a training tool that does not know this class
    ends as ours do.
    """


def message_of(error: InputError) -> str:
    """Returns an error's message, without the traceback that torch prepends if a data worker raised it."""
    return str(error).rstrip().rpartition(f'{InputError.__module__}.{InputError.__name__}: ')[2]

"""The exceptions that a tool answers in one line."""


class InputError(ValueError):
    """The user's input is wrong.

    The message is one line: what is wrong, where (file, key, value) and what would be right. The command line tools
    print it without a traceback and exit with status 2.
    """


class RunStopped(RuntimeError):
    """A run was stopped on purpose: nothing is wrong with the input or the code. Exit status 1, one line."""


class RunInterrupted(SystemExit):
    """A signal ended a run, and what it did is saved. Exit status 1; Python prints the message, one line, and no
    traceback, so a training tool that knows nothing of this class ends as ours do."""

"""The one exception for mistakes in the user's input."""


class InputError(ValueError):
    """The user's input is wrong.

    The message is one line: what is wrong, where (file, key, value) and what would be right. The command line tools
    print it without a traceback and exit with status 2.
    """

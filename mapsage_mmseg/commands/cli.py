"""The shared frame of every command: parsing, error messages and exit status."""

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import TypeGuard

from ..errors import InputError, RunInterrupted, RunStopped, message_of

DONE, FAILED, WRONG_INPUT = 0, 1, 2
FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
    """Runs a tool.

    Args:
        main: Function that takes the arguments after the program's name.
        argv: These arguments; None for the process's own. ``--debug`` among them shows tracebacks.

    Returns:
        0 if done, 2 if the user's input is wrong (one line on standard error), 1 otherwise. With several processes,
        only the first that fails reports its error; the others fail because it did.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = '--debug' in arguments
    try:
        main([argument for argument in arguments if argument != '--debug'])
    except RunInterrupted as stop:
        if debug or _first_to_fail():
            print(stop, file=sys.stderr)
        return FAILED
    except SystemExit as end:  # argparse: 0 after --help, 2 for wrong arguments
        return end.code if isinstance(end.code, int) else FAILED
    except (Exception, KeyboardInterrupt) as error:
        if debug or _first_to_fail():
            tell(error, debug)
        return WRONG_INPUT if isinstance(error, InputError) or _denied(error) else FAILED
    return DONE


def _first_to_fail() -> bool:
    if 'torch' not in sys.modules and 'TORCHELASTIC_RUN_ID' not in os.environ:  # one process, or not joined yet
        return True
    from ..engine.processes import first_to_fail

    return first_to_fail()


def _denied(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in DENIED and error.filename is not None


def tell(error: BaseException, debug: bool) -> None:
    """Reports an error on standard error: in one line, or with a traceback if the fault may be ours."""
    if isinstance(error, KeyboardInterrupt):
        print('interrupted', file=sys.stderr)
    elif isinstance(error, RunStopped):
        print(error, file=sys.stderr)
    elif isinstance(error, InputError):
        if debug:
            traceback.print_exception(error)
        print(f'error: {message_of(error)}', file=sys.stderr)
    elif _denied(error):
        if debug:
            traceback.print_exception(error)
        print(f'error: {error.filename}: {error.strerror}; name a place that you may use', file=sys.stderr)
    elif isinstance(error, OSError) and error.errno in FULL:
        place = error.filename or 'the disk'
        print(f'{place}: {error.strerror}; make room, then continue with --resume', file=sys.stderr)
    else:
        traceback.print_exception(error)


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parses a tool's arguments. All processes parse the same ones, and only one of them reports an error."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return parser.parse_args(argv)
    except SystemExit as end:
        if end.code and _first_to_fail():
            print(said.getvalue(), end='', file=sys.stderr)
        raise

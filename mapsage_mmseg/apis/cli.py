"""What every command line tool shares: its exit status."""

import errno
import logging
import sys
import traceback
from collections.abc import Callable, Sequence

from ..errors import InputError, RunInterrupted, RunStopped

DONE, FAILED, WRONG_INPUT = 0, 1, 2
FULL = (errno.ENOSPC, errno.EDQUOT)


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
    """Runs a tool.

    Args:
        main: Takes the arguments behind the program's name.
        argv: Those arguments; the process's own where None. ``--debug`` among them shows tracebacks.

    Returns:
        0 done, 2 the user's input is wrong (one line on standard error), 1 anything else.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = '--debug' in arguments
    try:
        main([argument for argument in arguments if argument != '--debug'])
    except InputError as error:
        if debug:
            traceback.print_exc()
        print(f'error: {last_line(error)}', file=sys.stderr)
        return WRONG_INPUT
    except (RunStopped, RunInterrupted) as stop:
        print(stop, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return FAILED
    except OSError as error:
        if error.errno not in FULL:
            traceback.print_exc()
        else:
            print(
                f'{error.filename or "the disk"}: {error.strerror}; make room, and go on with --resume', file=sys.stderr
            )
        return FAILED
    except SystemExit as end:  # argparse: 0 after --help, 2 for wrong arguments
        return end.code if isinstance(end.code, int) else FAILED
    except Exception:
        logging.getLogger(__name__).debug('failed', exc_info=True)
        traceback.print_exc()
        return FAILED
    return DONE


def last_line(error: InputError) -> str:
    """Its message; where a worker of the data raised it, torch puts that worker's traceback before."""
    return str(error).rstrip().rsplit('\n', 1)[-1].removeprefix(f'{InputError.__module__}.{InputError.__name__}: ')

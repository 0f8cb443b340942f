"""What every command line tool shares: its exit status."""

import logging
import sys
import traceback
from collections.abc import Callable, Sequence

from ..errors import InputError, RunInterrupted, RunStopped

DONE, FAILED, WRONG_INPUT = 0, 1, 2


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
        print(f'error: {error}', file=sys.stderr)
        return WRONG_INPUT
    except (RunStopped, RunInterrupted) as stop:
        print(stop, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return FAILED
    except SystemExit as end:  # argparse: 0 after --help, 2 for wrong arguments
        return end.code if isinstance(end.code, int) else FAILED
    except Exception:
        logging.getLogger(__name__).debug('failed', exc_info=True)
        traceback.print_exc()
        return FAILED
    return DONE

"""Runs a tool of this folder on several processes: what dist_train.sh and dist_test.sh call.

It is torchrun, in which two things are changed: the exit status is the tool's own, and there is no traceback of
torchrun's beside the tool's message. One machine needs nothing else; on several, NNODES and RDZV in the environment.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

USAGE = (
    'CONFIG PROCESSES [arguments of tools/{tool}]; on several machines the same on each, with NNODES=2 RDZV=host:port'
)
FAILED, WRONG_INPUT = 1, 2


def arguments(tool: str, config: str, processes: int, rest: Sequence[str]) -> list[str]:
    """Arguments for torchrun. ``processes`` is the number on each machine."""
    nodes, address = int(os.environ.get('NNODES', 1)), os.environ.get('RDZV')
    if nodes > 1 and not address:
        raise ValueError(f'NNODES={nodes} needs RDZV=host:port, an address of one of the machines, the same on all')
    where = (
        [f'--nnodes={nodes}', '--rdzv-backend=c10d', f'--rdzv-endpoint={address}'] if nodes > 1 else ['--standalone']
    )
    tool = str(Path(__file__).with_name(tool))
    return [*where, f'--nproc-per-node={processes}', tool, config, '--launcher', 'pytorch', *rest]


def share_cores(processes: int) -> None:
    """Threads for each process, where the user has not said how many: the machine's cores, shared out."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ.setdefault(name, str(max(1, cores // processes)))


def run(arguments: Sequence[str]) -> int:
    """Runs torchrun.

    Returns:
        0 where every process ended well, 2 where one refused the user's input, 1 otherwise.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError

    if 'LOGLEVEL' not in os.environ:  # torchrun's name for it
        logging.disable(logging.CRITICAL)
    try:
        torchrun.run(torchrun.parse_args(list(arguments)))
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        for rank, code in codes.items():
            if code < 0 and code != -signal.SIGTERM:  # with which torchrun ends the others
                print(f'process {rank} was killed by {signal.Signals(-code).name}', file=sys.stderr)
        return WRONG_INPUT if WRONG_INPUT in codes.values() else FAILED
    except RendezvousError as error:
        print(f'the machines did not meet at RDZV={os.environ.get("RDZV")}: {error}', file=sys.stderr)
        return FAILED
    except SignalException:
        return FAILED
    return 0


def main(argv: Sequence[str]) -> int:
    tool, *rest = argv
    if len(rest) < 2 or not rest[1].isdigit() or int(rest[1]) < 1:
        print(f'error: expected {USAGE.format(tool=tool)}', file=sys.stderr)
        return WRONG_INPUT
    config, processes = rest[0], int(rest[1])
    try:
        command = arguments(tool, config, processes, rest[2:])
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return WRONG_INPUT
    share_cores(processes)
    return run(command)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

"""Reading the clock off a runner."""

from mmengine.runner import EpochBasedTrainLoop, Runner

from ..schedules import Clock


def read_clock(runner: Runner, iters_per_epoch: int | None = None) -> Clock:
    """Returns the moment before the next iteration, under either kind of loop.

    Args:
        runner: A runner during training.
        iters_per_epoch: Length of an epoch under an iteration loop; ignored under an epoch loop, which knows its own.
    """
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        iters_per_epoch = len(runner.train_dataloader)
    return Clock(runner.iter, runner.max_iters, iters_per_epoch)

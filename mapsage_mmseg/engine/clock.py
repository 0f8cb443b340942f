"""Reading the clock off a runner."""

from mmengine.runner import EpochBasedTrainLoop, Runner

from ..schedules import Clock


def read_clock(runner: Runner, iters_per_epoch: int | None = None) -> Clock:
    """The moment before the next iteration, under either kind of loop.

    Args:
        runner: While it trains.
        iters_per_epoch: What an epoch is under an iteration loop; an epoch loop knows by itself.
    """
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        iters_per_epoch = len(runner.train_dataloader)
    return Clock(runner.iter, runner.max_iters, iters_per_epoch)

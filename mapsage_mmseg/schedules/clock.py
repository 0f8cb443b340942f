"""Progress of a run."""

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Clock:
    """Progress of a run before an iteration.

    Attributes:
        iter: Iterations done, 0 before the first.
        max_iters: Iterations of the whole run.
        iters_per_epoch: Iterations per epoch; None if it is not set under an iteration-based loop.
    """

    iter: int
    max_iters: int
    iters_per_epoch: int | None = None

    @property
    def epoch(self) -> int:
        """Epochs done: floor(iteration / iterations per epoch), 0 during the first epoch."""
        return self.iter // self._iters_per_epoch()

    @property
    def max_epochs(self) -> float:
        """Epochs of the whole run."""
        return self.max_iters / self._iters_per_epoch()

    def _iters_per_epoch(self) -> int:
        if not self.iters_per_epoch:
            raise InputError(
                "a schedule with by='epoch' under IterBasedTrainLoop needs iters_per_epoch: set it on the hook, "
                "or give the schedule with by='iter'"
            )
        return self.iters_per_epoch

    def count(self, by: str) -> int:
        """Epochs or iterations done."""
        return self.epoch if by == 'epoch' else self.iter

    def progress(self, by: str) -> float:
        """Fraction of the run that is done, in [0, 1), in steps of an epoch or of an iteration."""
        return self.epoch / self.max_epochs if by == 'epoch' else self.iter / self.max_iters

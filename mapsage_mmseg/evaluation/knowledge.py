"""A teacher's loss on training and on validation images, and what follows from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

BY_HEART = 0.5  # of the loss on other images: below it a teacher repeats the labels of its training images


@dataclass(frozen=True)
class TeacherKnowledge:
    """Mean cross-entropy of a teacher, nats a labelled pixel, over whole images as in validation.

    Attributes:
        training: On images that the student trains on.
        validation: On images of the validation.
        images: Of each at most.
    """

    training: float
    validation: float
    images: int

    @property
    def by_heart(self) -> bool:
        """Whether it knows the training images so much better that, there, it says little but their labels."""
        return self.training < BY_HEART * self.validation

    def figures(self) -> str:
        """In words."""
        return (
            f"the teacher's cross-entropy is {self.training:.4f} on training images and {self.validation:.4f} on "
            f'validation images ({self.images} of each at most)'
        )

    def line(self) -> str:
        """In words, with what follows from it."""
        if not self.by_heart:
            return f'{self.figures()}; what it says of training images is not only their labels'
        return (
            f'{self.figures()}: it has learned its training images by heart, and says little of them that their labels '
            'do not. Tiles without labels (configs/distill/recommended_unlabelled.py) are where it can tell more'
        )

    def as_dict(self) -> dict[str, Any]:
        """As a record holds it."""
        return asdict(self)


def recorded_knowledge(run: Mapping[str, Any]) -> TeacherKnowledge | None:
    """What a run's record says of its teacher; None where that was not measured."""
    found = (run.get('teacher') or {}).get('knowledge')
    return TeacherKnowledge(**found) if isinstance(found, Mapping) else None

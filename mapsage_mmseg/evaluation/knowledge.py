"""A teacher's loss on training and on validation images, and the conclusion from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

BY_HEART = 0.5  # times the validation loss; below it, the teacher has memorised the labels of its training images


@dataclass(frozen=True)
class TeacherKnowledge:
    """Mean cross-entropy of a teacher, in nats per labelled pixel, over whole images as in validation.

    Attributes:
        training: On images that the student trains on.
        validation: On validation images.
        images: Maximum number of images of each.
    """

    training: float
    validation: float
    images: int

    @property
    def by_heart(self) -> bool:
        """Whether the teacher has memorised the training images: there, it adds little to their labels."""
        return self.training < BY_HEART * self.validation

    def figures(self) -> str:
        """Returns the losses in words."""
        return (
            f"the teacher's cross-entropy is {self.training:.4f} on training images and {self.validation:.4f} on "
            f'validation images ({self.images} of each at most)'
        )

    def line(self) -> str:
        """Returns the losses in words, with the conclusion."""
        if not self.by_heart:
            return f'{self.figures()}; what it says of training images is not only their labels'
        return (
            f'{self.figures()}: it has learned its training images by heart, and says little of them that their labels '
            'do not. Tiles without labels (configs/distill/recommended_unlabelled.py) are where it can tell more'
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the dict that is stored in a record."""
        return asdict(self)


def recorded_knowledge(run: Mapping[str, Any]) -> TeacherKnowledge | None:
    """Reads the teacher's losses from a run's record; None if they were not measured."""
    found = (run.get('teacher') or {}).get('knowledge')
    return TeacherKnowledge(**found) if isinstance(found, Mapping) else None

"""A teacher that averages several segmentors and several views of an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .multi_level_distill import last_head

VIEWS = ((0, False), (0, True), (1, False), (1, True), (2, False), (2, True), (3, False), (3, True))
CHOICES = {1: VIEWS[:1], 2: VIEWS[:2], 4: VIEWS[::2], 8: VIEWS}  # as is; also mirrored; quarter turns; all


@MODELS.register_module()
class SegmentorEnsemble(BaseSegmentor):
    """The mean prediction of several segmentors for an image and for its quarter turns and reflections (Hansen and
    Salamon 1990; Krizhevsky et al. 2012 for views).

    It works as any other teacher: ``decode_head.conv_seg`` gives the logarithm of the mean probabilities. With the
    teacher cache, it runs once per image: a run costs one forward of each member and view per image, whatever the
    number of epochs. Its checkpoint holds each member's weights under ``members.<number>.``. An ensemble of a single
    member also loads that segmentor's own checkpoint.

    Args:
        members: Configs of segmentors with the same classes; all get the same normalised image.
        views: 1, 2 (the image and its reflection), 4 (quarter turns) or 8.
        data_preprocessor: Preprocessor of all members.

    Raises:
        InputError: There is no member, the number of views is another, or members have different numbers of classes.
    """

    def __init__(
        self,
        members: Sequence[Mapping[str, Any]],
        views: int = 1,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if views not in CHOICES:
            raise InputError(f'SegmentorEnsemble: views={views!r}; expected {", ".join(map(str, CHOICES))}')
        if not members:
            raise InputError('SegmentorEnsemble: members=[]; expected the configs of one segmentor or more')
        built = [MODELS.build({k: v for k, v in member.items() if k != 'data_preprocessor'}) for member in members]
        classes = [last_head(member).num_classes for member in built]
        if len(set(classes)) > 1:
            raise InputError(f'SegmentorEnsemble: members of {", ".join(map(str, classes))} classes; expected the same')
        self.members, self.views = nn.ModuleList(built), CHOICES[views]
        self.decode_head = _Mean(last_head(built[0]))
        self.align_corners, self.out_channels = self.decode_head.align_corners, classes[0]
        if len(built) == 1:
            self.register_load_state_dict_pre_hook(_take_for_the_member)

    def mean(self, inputs: Tensor) -> Tensor:
        """Maps normalised images (N, B, H, W) to logits (N, C, h, w), the logarithm of the mean probabilities."""
        total: Tensor | None = None
        for turns, mirrored in self.views:
            seen = torch.rot90(inputs.flip(3) if mirrored else inputs, turns, (2, 3))
            for member in self.members:
                found = torch.rot90(member(seen, mode='tensor').float().softmax(1), -turns, (2, 3))
                found = found.flip(3) if mirrored else found
                if total is not None and total.shape != found.shape:
                    found = F.interpolate(found, total.shape[2:], mode='bilinear', align_corners=self.align_corners)
                total = found if total is None else total + found
        assert total is not None  # there is a member, and a view
        mean = total / (len(self.views) * len(self.members))
        return self.decode_head.conv_seg(mean.clamp_min(torch.finfo(mean.dtype).tiny).log())

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        return self.mean(inputs)

    def extract_feat(self, inputs: Tensor) -> Any:
        """Returns the first member's features of the unchanged image."""
        first: Any = self.members[0]
        return first.extract_feat(inputs)

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any) -> Tensor:
        """Returns logits at the size of the inputs."""
        return F.interpolate(self.mean(inputs), inputs.shape[2:], mode='bilinear', align_corners=self.align_corners)

    def predict(self, inputs: Tensor, data_samples: Any = None) -> Any:
        """Predicts whole images, as MMSegmentation's segmentors do."""
        return self.postprocess_result(self.encode_decode(inputs, data_samples), data_samples)

    def loss(self, inputs: Tensor, data_samples: Any) -> dict:
        """Not supported: an ensemble is not trained.

        Raises:
            InputError: Always.
        """
        raise InputError('SegmentorEnsemble is not trained as one: train its members, each by itself')


def _take_for_the_member(model: nn.Module, weights: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Renames a plain segmentor's weights to those of the only member."""
    own = [key for key in weights if key.startswith(prefix)]
    if not any(key.startswith(f'{prefix}members.') for key in own):
        for key in own:
            weights[f'{prefix}members.0.{key[len(prefix) :]}'] = weights.pop(key)


class _Mean(nn.Module):
    """A head that lets recorders read the mean at ``decode_head.conv_seg``, as they read any segmentor's logits."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.num_classes = self.out_channels = head.num_classes
        self.align_corners, self.ignore_index = head.align_corners, head.ignore_index
        self.conv_seg = nn.Identity()

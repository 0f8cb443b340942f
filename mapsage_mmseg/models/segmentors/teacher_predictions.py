"""The teacher's predictions for validation images, computed once."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn


class TeacherPredictions:
    """Class maps of the teacher, by image.

    A frozen teacher predicts the same in every validation, so it runs over the validation set only once per run.

    Args:
        limit: Maximum number of bytes to store; images beyond it are predicted again each time.
    """

    def __init__(self, limit: int = 512 * 2**20) -> None:
        self.limit = limit
        self.size = 0
        self._maps: dict[str, Tensor] = {}

    def attach(self, teacher: nn.Module, inputs: Tensor, samples: list[SegDataSample]) -> None:
        """Adds ``teacher_pred_sem_seg`` to each sample, (1, H, W) like its ``pred_sem_seg``.

        Args:
            teacher: A segmentor in eval mode.
            inputs: The normalised batch (N, B, H, W) of the samples.
            samples: Predictions of the student.
        """
        names = [sample.metainfo.get('img_path') for sample in samples]
        if any(name not in self._maps for name in names):
            asked = [SegDataSample(metainfo=sample.metainfo) for sample in samples]
            with torch.no_grad():
                predicted = teacher(inputs, asked, mode='predict')
            maps = [sample.pred_sem_seg.data for sample in predicted]
            self._remember(names, maps)
        else:
            maps = [self._maps[name] for name in names]
        for sample, labels in zip(samples, maps, strict=True):
            like = sample.pred_sem_seg.data
            sample.set_data(dict(teacher_pred_sem_seg=PixelData(data=labels.to(like.device, like.dtype))))

    def _remember(self, names: list[str | None], maps: list[Tensor]) -> None:
        for name, labels in zip(names, maps, strict=True):
            if name is None or name in self._maps or self.size + labels.numel() > self.limit or labels.max() > 255:
                continue
            self._maps[name] = labels.to('cpu', torch.uint8)
            self.size += labels.numel()

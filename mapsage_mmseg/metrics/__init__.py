"""Registered metrics, computed on the tensors' own device."""

from .agreement import TeacherAgreement
from .boundary_f1 import BoundaryF1
from .class_iou import ClassIoU
from .task_loss import TaskLoss

__all__ = ['BoundaryF1', 'ClassIoU', 'TaskLoss', 'TeacherAgreement']

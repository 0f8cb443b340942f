from .ensemble import SegmentorEnsemble
from .multi_level_distill import MultiLevelDistill

__all__ = ['MultiLevelDistill', 'SegmentorEnsemble']

from .multi_level_distill import MultiLevelDistill

__all__ = ['MultiLevelDistill']

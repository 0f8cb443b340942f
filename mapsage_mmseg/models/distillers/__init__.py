from .multi_level import MultiLevelDistillLoss

__all__ = ['MultiLevelDistillLoss']

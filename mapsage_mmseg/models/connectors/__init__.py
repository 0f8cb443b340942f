from .conv_stack import ConvStackConnector

__all__ = ['ConvStackConnector']

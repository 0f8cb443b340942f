"""Another logits level: mmrazor's channel-wise divergence (Shu et al. 2021, arXiv:2011.13256) for the KL."""

_base_ = '../improved.py'
experiment = 'channel_wise_kl'
loss = dict(_delete_=True, type='mmrazor.ChannelWiseDivergence', tau=4.0)
model = dict(distiller=dict(levels=dict(distill=dict(loss=loss))))

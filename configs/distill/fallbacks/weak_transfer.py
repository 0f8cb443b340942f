"""For a student that does not take up what its teacher knows: a softer start, and connectors of three layers."""

_base_ = '../improved.py'
experiment = 'weak_transfer'
connector = [
    dict(type='ConvStackConnector', in_channel=before, out_channel=after, num_layers=3)
    for before, after in ((32, 96), (64, 192), (160, 384), (256, 384))
]
model = dict(distiller=dict(levels=dict(feature=dict(connector=connector))))
default_hooks = dict(temperature=dict(start=8.0, end=2.0))

"""For a student that does not take up what its teacher knows: a softer start, and connectors of three layers."""

_base_ = '../improved.py'
experiment = 'weak_transfer'
connector = [
    dict(type='ConvStackConnector', in_channel='auto', out_channel=channels, num_layers=3)
    for channels in (96, 192, 384, 384)
]
model = dict(distiller=dict(levels=dict(feature=dict(connector=connector))))
default_hooks = dict(temperature=dict(start=8.0, end=2.0))

"""Search space of ``tools/tune.py``: every knob and its range, both ends included.

``log`` samples on a logarithmic scale. A knob that does not apply to a config is left out of its search.
"""

from typing import Any

SPACE: dict[str, dict[str, Any]] = dict(
    temperature_start=dict(low=2.0, high=12.0, log=True),
    temperature_end=dict(low=1.0, high=6.0, log=True),
    warmup=dict(low=0.0, high=0.4),  # share of the epochs, at the start, that are trained from labels alone
    connector_layers=dict(choices=[1, 2]),  # a 1x1 convolution, or a 3x3 one and a 1x1 one
    learning_rate=dict(low=5e-5, high=2e-3, log=True),
    weight_task=dict(low=0.2, high=1.0, log=True),
    weight_distill=dict(low=0.05, high=2.0, log=True),
    weight_feature=dict(low=0.01, high=1.0, log=True),
    weight_attention=dict(low=0.005, high=0.5, log=True),
)
WEIGHT = dict(low=0.01, high=1.0, log=True)  # weight_<name> of any other level

"""Pictures, charts, the report, and the TensorBoard backend."""

"""Pictures, charts, the report, and where TensorBoard files go."""

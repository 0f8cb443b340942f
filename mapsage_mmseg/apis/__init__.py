"""One module a tool: what tools/*.py call."""

"""Training, testing, tuning and dry runs: from options to results."""

"""Trainings, tests, searches and dry runs: from options to what they leave."""

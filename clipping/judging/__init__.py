"""Predictions compared with the truth: metrics and reports."""

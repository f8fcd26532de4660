"""Kernels and JupyterLab, real ones, driven as a person would."""

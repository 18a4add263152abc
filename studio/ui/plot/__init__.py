"""Plots: axes, their values, the grid while it is made."""

"""Devices, memory needs, placement of a model, and estimates of its speed."""

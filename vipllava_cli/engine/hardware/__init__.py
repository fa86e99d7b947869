"""Devices, memory, placement and speed."""

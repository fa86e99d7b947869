"""Attacks: hostile files and servers, each with a budget of time and memory."""

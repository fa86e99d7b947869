"""Tests of models behind servers."""

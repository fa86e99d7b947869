"""The tests, a module for each of the package's."""

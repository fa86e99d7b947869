"""Models: find, download, place and run them."""

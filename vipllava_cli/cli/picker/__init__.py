"""The window of `--pick`: the user draws marks on an image with the mouse."""

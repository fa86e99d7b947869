"""One file for each subcommand: options to flow to output."""

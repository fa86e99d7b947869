"""One thin file for each subcommand: flags -> flow -> render."""

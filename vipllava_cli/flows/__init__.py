"""What a subcommand does, without flags and output."""

"""The command line: subcommands, the chat prompt, terminal and HTML output."""

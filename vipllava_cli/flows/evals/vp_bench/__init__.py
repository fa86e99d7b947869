"""VP-Bench: multiple-choice questions about visual prompts in eight shapes."""

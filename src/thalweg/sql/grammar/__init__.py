"""From SQL text to syntax trees: Flink's grammar on sqlglot's tokenizer and parser."""

"""The fluent API: datasets and expressions as users write them."""

"""From syntax trees to plans: names, types and clauses get their meaning."""

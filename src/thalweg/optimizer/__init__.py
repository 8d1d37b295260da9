"""Rewrite a plan into a cheaper one with the same meaning."""

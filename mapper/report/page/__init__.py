"""The page of one build."""

"""Builds side by side."""

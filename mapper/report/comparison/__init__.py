"""The page and the tables of builds side by side."""

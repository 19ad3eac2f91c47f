"""Broken and hostile files, made by the thousand: every one is answered, none is crashed on.

``python -m tests.fuzz --count 10000 --seed 1`` runs it; ``docs/fuzzing.md`` says what it promises.
"""

"""Neurons recognised by what they compute, and checked on numbers."""

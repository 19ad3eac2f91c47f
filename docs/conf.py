"""How Sphinx builds the documentation: ``make docs`` writes build/docs, without a network."""

import numpy.typing

from mapper import __version__


class ArrayLike:
    """What NumPy makes an array of; its own alias fills ten lines when it is spelled out."""


numpy.typing.ArrayLike = ArrayLike

project = "Spikeloom"
author = "the Spikeloom authors"
release = version = __version__

extensions = [
    "myst_parser",  # pages are Markdown, as people read them in the repository
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # docstrings are in Google's style
]
root_doc = "index"
nitpicky = False  # annotations name types of NumPy and torch, whose pages are on the network

myst_heading_anchors = 3
autodoc_typehints = "signature"
maximum_signature_line_length = 88  # longer ones have a line for each parameter
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"Spikeloom {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False


def _begin_on_a_line_of_its_own(app, what, name, obj, options, lines):
    """Keep napoleon from taking what stands before a colon for the type of an attribute."""
    if what in ("attribute", "property", "data"):
        lines[:0] = ["..", ""]  # an empty comment, which has no colon


ARRAY = "~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~typing.Any]]"


def _short(app, what, name, obj, options, signature, returned):
    """Write the alias of arrays as sources do, and defaults that are made anew as dots."""
    if signature is None:
        return None
    short = signature.replace(ARRAY, "Array").replace("<factory>", "...")
    return short, returned and returned.replace(ARRAY, "Array")


def setup(app):
    app.connect("autodoc-process-signature", _short)
    app.connect("autodoc-process-docstring", _begin_on_a_line_of_its_own, priority=400)

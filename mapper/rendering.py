"""Jinja templates of a package: the same rules for generated programs and for the page."""

from functools import cache

import jinja2


@cache
def templates(package: str, *, html: bool = False) -> jinja2.Environment:
    """Return the templates in a package's ``templates`` folder.

    A name the template does not get is an error. Where ``html``, everything put in is escaped;
    in programs, names are literals or comments before they get here.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=html,
    )

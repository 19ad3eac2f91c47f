"""``python -m mapper``: the same as the ``spikeloom`` command."""

from mapper.cli import main

main()

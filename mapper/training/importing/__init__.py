"""Networks that were trained elsewhere, as modules to go on with."""

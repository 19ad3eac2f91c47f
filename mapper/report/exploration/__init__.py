"""An exploration as a page, data for programs and tables for papers."""

"""`python -m rondo`: the command line, also under torchrun."""

from rondo.cli import main

main()

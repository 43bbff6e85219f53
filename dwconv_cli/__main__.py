"""``python -m dwconv_cli``."""

from dwconv_cli.cli import main

if __name__ == "__main__":
    main()

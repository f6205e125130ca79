"""``python -m file_uploader``: the command ``file-uploader`` where no package is installed."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())

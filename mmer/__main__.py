"""`python -m mmer`."""

import sys

from mmer.cli import main

sys.exit(main())

"""`python -m neurocaas` is the command `neurocaas`."""

import sys

from neurocaas.cli import main

sys.exit(main())

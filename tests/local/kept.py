"""Where the local clouds of tests that are not about baking keep the layers of finished builds."""

import os

from localcloud.cache import cache_home

KEPT_LAYERS = {"LOCALCLOUD_LAYERS": os.environ.get("LOCALCLOUD_LAYERS", str(cache_home() / "layers"))}
"""For the environment of a local cloud. Set but empty, `LOCALCLOUD_LAYERS` lets all tests bake."""

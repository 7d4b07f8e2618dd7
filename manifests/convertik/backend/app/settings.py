"""Everything that the environment decides."""

import os

DATABASE_URL = os.environ["DATABASE_URL"]
REDIS_URL = os.environ["REDIS_URL"]
LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
SUMMARY_CACHE_SECONDS = int(os.environ.get("SUMMARY_CACHE_SECONDS", "2"))

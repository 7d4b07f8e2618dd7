"""The version that /health and /api/v1/version report."""

VERSION = "1.0.0"

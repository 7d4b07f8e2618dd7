"""The application: `uvicorn app.main:app`."""

import logging
import sys

from fastapi import FastAPI

from app import conversions, health, stats
from app.settings import LOG_LEVEL
from app.version import VERSION

logging.basicConfig(stream=sys.stdout, level=LOG_LEVEL, format="%(asctime)s %(levelname)s %(message)s")

app = FastAPI(title="Convertik", version=VERSION)
app.include_router(health.router)
app.include_router(conversions.router)
app.include_router(stats.router)


@app.get("/api/v1/version")
def version() -> dict:
    return {"app_version": VERSION}

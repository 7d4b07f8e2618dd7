"""GET /health: whether this process can do its work."""

import logging
from typing import Callable

from fastapi import APIRouter, Response
from sqlalchemy import text

from app.cache import client
from app.db import engine
from app.version import VERSION

log = logging.getLogger(__name__)
router = APIRouter()


def ping_database() -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def check(name: str, ping: Callable[[], object]) -> str:
    try:
        ping()
        return "ok"
    except Exception as problem:  # whatever it is, the answer is that it does not work
        log.warning("%s is unavailable: %s", name, problem)
        return "unavailable"


@router.get("/health")
def health(response: Response) -> dict:
    parts = {"database": check("database", ping_database), "redis": check("redis", client.ping)}
    healthy = all(state == "ok" for state in parts.values())
    response.status_code = 200 if healthy else 503
    return {"status": "healthy" if healthy else "unhealthy", "app_version": VERSION, **parts}

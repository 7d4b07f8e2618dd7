"""PostgreSQL: one pool for the process, one session for a request."""

from typing import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from app.settings import DATABASE_URL

# Pinging first means that a restarted database costs no request.
engine = create_engine(
    DATABASE_URL, pool_pre_ping=True, pool_size=10, future=True, connect_args={"connect_timeout": 2}
)
SessionLocal = sessionmaker(bind=engine, future=True)


def session() -> Iterator[Session]:
    with SessionLocal() as opened:
        yield opened

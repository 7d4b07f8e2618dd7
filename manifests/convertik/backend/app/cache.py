"""Redis: a cache that the application can do without."""

import json
import logging
from typing import Callable

from redis import Redis, RedisError

from app.settings import REDIS_URL

log = logging.getLogger(__name__)
client = Redis.from_url(REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def cached(key: str, seconds: int, compute: Callable[[], dict]) -> dict:
    """The cached value of `key`, else a computed one, kept for `seconds`."""
    try:
        hit = client.get(key)
        if hit is not None:
            return json.loads(hit)
        value = compute()
        client.setex(key, seconds, json.dumps(value))
        return value
    except RedisError as problem:
        log.warning("serving without the cache: %s", problem)
        return compute()

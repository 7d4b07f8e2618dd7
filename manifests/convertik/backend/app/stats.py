"""What was converted, in figures."""

from enum import Enum

from fastapi import APIRouter, Depends
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.cache import cached
from app.db import session
from app.models import Conversion
from app.settings import SUMMARY_CACHE_SECONDS

router = APIRouter(prefix="/api/v1/stats")


class Period(str, Enum):
    hour = "hour"
    day = "day"
    week = "week"
    month = "month"


@router.get("/summary")
def summary(db: Session = Depends(session)) -> dict:
    return cached("stats:summary", SUMMARY_CACHE_SECONDS, lambda: summarise(db))


def summarise(db: Session) -> dict:
    by_pair = select(Conversion.source, Conversion.target, func.count()).group_by(Conversion.source, Conversion.target)
    pairs = {f"{source}/{target}": count for source, target, count in db.execute(by_pair)}
    return {"total": sum(pairs.values()), "pairs": pairs}


@router.get("/metrics")
def metrics(period: Period = Period.day, db: Session = Depends(session)) -> dict:
    start = func.date_trunc(period.value, Conversion.created_at).label("start")
    buckets = select(start, func.count(), func.sum(Conversion.amount)).group_by("start").order_by("start")
    return {
        "period": period.value,
        "buckets": [
            {"start": when.isoformat(), "conversions": count, "amount": float(amount)}
            for when, count, amount in db.execute(buckets)
        ],
    }

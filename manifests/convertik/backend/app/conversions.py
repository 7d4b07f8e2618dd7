"""Convert an amount and remember it."""

from decimal import Decimal
from typing import Optional

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.db import session
from app.models import Conversion
from app.rates import Currency, convert

router = APIRouter(prefix="/api/v1/conversions")


class Request(BaseModel):
    source: Currency
    target: Currency
    amount: Decimal = Field(gt=0, lt=10**12)
    client: Optional[str] = Field(None, max_length=64)


@router.post("", status_code=201)
def create(request: Request, db: Session = Depends(session)) -> dict:
    row = Conversion(
        source=request.source.value,
        target=request.target.value,
        amount=request.amount,
        result=convert(request.amount, request.source, request.target),
        client=request.client,
    )
    db.add(row)
    db.commit()  # the id is the acknowledgment: it leaves only after the commit
    return shown(row)


@router.get("/{conversion_id}")
def read(conversion_id: int, db: Session = Depends(session)) -> dict:
    row = db.get(Conversion, conversion_id)
    if row is None:
        raise HTTPException(404, "no such conversion")
    return shown(row)


def shown(row: Conversion) -> dict:
    return {
        "id": row.id,
        "source": row.source,
        "target": row.target,
        "amount": float(row.amount),
        "result": float(row.result),
        "client": row.client,
        "created_at": row.created_at.isoformat(),
    }

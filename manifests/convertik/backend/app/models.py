"""The tables."""

from sqlalchemy import BigInteger, Column, DateTime, Numeric, String, func
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Conversion(Base):
    __tablename__ = "conversions"

    id = Column(BigInteger, primary_key=True)
    source = Column(String(3), nullable=False)
    target = Column(String(3), nullable=False)
    amount = Column(Numeric(18, 4), nullable=False)
    result = Column(Numeric(18, 4), nullable=False)
    client = Column(String(64))
    created_at = Column(DateTime(timezone=True), server_default=func.now(), nullable=False)

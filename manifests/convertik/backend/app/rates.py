"""Exchange rates: what one US dollar buys."""

from decimal import Decimal
from enum import Enum

PER_DOLLAR = {"USD": Decimal("1"), "EUR": Decimal("0.92"), "GBP": Decimal("0.79"), "RUB": Decimal("90.5")}

Currency = Enum("Currency", {code: code for code in PER_DOLLAR}, type=str)


def convert(amount: Decimal, source: Currency, target: Currency) -> Decimal:
    in_dollars = amount / PER_DOLLAR[source.value]
    return (in_dollars * PER_DOLLAR[target.value]).quantize(Decimal("0.0001"))

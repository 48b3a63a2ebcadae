"""How patient the client is and how much it takes: one block that a plugin's settings can hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class HttpSettings(BaseModel):
    """Time limits in seconds, sizes in bytes, and how often a call is tried.

    Attributes:
        tries: calls until what can pass (a timeout, 429, 503) counts as a failure.
        base: the first pause is between 0 and this, and the range doubles with each try.
        cap: the longest pause of our own making.
        asked: the longest pause that an answer may ask for with Retry-After.
        budget: no try starts later than this after the first one.
        connect: until a connection stands.
        read: between two pieces of an answer.
        answer: for one whole answer; what drips slower than that is given up.
        body: the largest answer, compressed as well as expanded.
        breaker: failed calls in a row, over all requests, after which nothing more is sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tries: int = Field(6, ge=1, le=20)
    base: float = Field(0.5, ge=0, le=60)
    cap: float = Field(60, ge=0, le=600)
    asked: float = Field(600, ge=0, le=3600)
    budget: float = Field(900, gt=0)
    connect: float = Field(5, gt=0)
    read: float = Field(30, gt=0)
    answer: float = Field(120, gt=0)
    body: int = Field(64 << 20, ge=1)
    breaker: int = Field(20, ge=1)

    def instant(self) -> HttpSettings:
        """The same without any pause between tries; for tests."""
        return self.model_copy(update={"base": 0.0, "cap": 0.0, "asked": 0.0})

"""Sizes, money, durations and dates, at their edges."""

import pytest

from neurocaas.protocol import units
from neurocaas.protocol.units import duration, money, price, rate, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (5_000_000_000, "5.0 GB"),
        (2.5e12, "2.5 TB"),
        (1e15, "1.0 PB"),
        (1e21, "1000.0 EB"),
    ],
)
def test_a_size_is_in_the_unit_that_shows_it(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (0.00001, "less than $0.0001"),
        (0.0004, "$0.0004"),
        (0.00123, "$0.0012"),
        (0.0096, "$0.0096"),
        (0.0499, "$0.05"),
        (0.096, "$0.096"),
        (0.0999, "$0.10"),
        (0.1, "$0.10"),
        (0.999, "$1.00"),
        (12.345, "$12.35"),
        (1234567.8, "$1,234,567.80"),
        (-0.5, "-$0.50"),
    ],
)
def test_no_cost_looks_like_nothing_that_is_something(usd: float, text: str) -> None:
    assert money(usd) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0.096, "$0.096"), (3.06, "$3.06"), (2, "$2.00"), (0.0116, "$0.0116")]
)
def test_a_price_is_as_exact_as_it_is_told(usd: float, text: str) -> None:
    assert price(usd) == text


@pytest.mark.parametrize(
    ("seconds", "text", "exactly"),
    [
        (None, "", ""),
        (0, "0 s", "less than 0.1 s"),
        (0.34, "0 s", "0.3 s"),
        (59.9, "59 s", "59.9 s"),
        (59.96, "59 s", "1 min"),
        (60, "1 min", "1 min"),
        (90, "1 min 30 s", "1 min 30 s"),
        (3599, "59 min 59 s", "59 min 59 s"),
        (3600, "1 h", "1 h"),
        (3661, "1 h 1 min", "1 h 1 min"),
        (86_399, "23 h 59 min", "23 h 59 min"),
        (86_400, "1 day", "1 day"),
        (3 * 86_400, "3 days", "3 days"),
        (3 * 86_400 + 7300, "3 days 2 h", "3 days 2 h"),
    ],
)
def test_a_duration_says_its_units(seconds: float | None, text: str, exactly: str) -> None:
    assert duration(seconds) == text
    assert duration(seconds, tenths=True) == exactly


def test_a_rate_needs_time() -> None:
    assert rate(8_000_000, 2) == "4.0 MB/s"
    assert rate(8_000_000, 0) == ""


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("90 min", 5400), ("4h", 14400), ("2d", 172800)]
)
def test_a_time_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert units.seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"), [("1 B", 1), ("64 MiB", 64 << 20), ("20GiB", 20 << 30), ("1.5 TB", 1_500_000_000_000)]
)
def test_a_size_is_read_as_people_write_it(text: str, count: int) -> None:
    assert units.bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "30", "m", "-1m", "1.5h", "30 minutes", "1y", "m 30"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a time such as"):
        units.seconds_of(text)


@pytest.mark.parametrize("text", ["", "64", "64 M", "-1 MiB", "1 QB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: a size such as"):
        units.bytes_of(text)

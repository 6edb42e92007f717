"""DuckDB macros that give SQL Server's semantics where DuckDB's own functions differ.

Failing macros call `error()` with a marked text that `errors.from_duckdb` turns back into
the SQL Server error. `error()` is volatile, so it is never folded before a row needs it.
"""

from __future__ import annotations

import duckdb

from .errors import conversion_message

_FAIL_DATE = conversion_message("varchar", "date")
_FAIL_DECIMAL = conversion_message("nvarchar", "decimal")

MACROS = [
    # Divisors: SQL Server fails, DuckDB gives inf or NULL for some types.
    "tsql_nz(b) AS CASE WHEN b = 0 THEN error('@@TSQL|8134|Divide by zero error encountered.|@@') ELSE b END",
    # A float that SQL Server could not hold: it has no infinity.
    """tsql_finite(x) AS CASE WHEN isfinite(x) OR x IS NULL THEN x
        ELSE error('@@TSQL|8115|Arithmetic overflow error converting expression to data type float.|@@') END""",
    # Lengths count UTF-16 units: a character beyond the basic plane counts twice.
    """tsql_length(x) AS CASE WHEN strlen(x) = length(x) THEN length(x)
        ELSE length(x) + length(regexp_replace(x, '[^\\x{10000}-\\x{10FFFF}]', '', 'g')) END""",
    # A text of digits, ready for a cast to an integer type; '' counts as 0.
    """tsql_int_text(x, target) AS CASE
        WHEN trim(x, ' ') = '' THEN '0'
        WHEN regexp_full_match(trim(x, ' '), '[+-]?[0-9]+') THEN ltrim(trim(x, ' '), '+')
        WHEN x IS NOT NULL THEN error('@@TSQL|245|Conversion failed when converting the nvarchar value '''
            || x || ''' to data type ' || target || '.|@@') END""",
    """tsql_try_int_text(x) AS CASE WHEN trim(x, ' ') = '' THEN '0'
        WHEN regexp_full_match(trim(x, ' '), '[+-]?[0-9]+') THEN ltrim(trim(x, ' '), '+') END""",
    f"""tsql_dec_text(x) AS CASE
        WHEN regexp_full_match(trim(x, ' '), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)') THEN ltrim(trim(x, ' '), '+')
        WHEN x IS NOT NULL THEN error('@@TSQL|{_FAIL_DECIMAL[0]}|{_FAIL_DECIMAL[1]}|@@') END""",
    """tsql_try_dec_text(x) AS CASE
        WHEN regexp_full_match(trim(x, ' '), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)') THEN ltrim(trim(x, ' '), '+') END""",
    """tsql_float_text(x) AS CASE WHEN trim(x, ' ') = '' THEN '0'
        WHEN regexp_full_match(trim(x, ' '), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?') THEN trim(x, ' ')
        WHEN x IS NOT NULL THEN error('@@TSQL|8114|Error converting data type nvarchar to float.|@@') END""",
    """tsql_try_float_text(x) AS CASE WHEN trim(x, ' ') = '' THEN '0'
        WHEN regexp_full_match(trim(x, ' '), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?') THEN trim(x, ' ') END""",
    # Texts that SQL Server reads as dates under us_english; NULL for any other.
    """tsql_try_timestamp(x) AS CASE
        WHEN trim(x, ' ') = '' THEN TIMESTAMP '1900-01-01'
        WHEN regexp_full_match(trim(x, ' '), '[0-9]{8}') THEN try_strptime(trim(x, ' '), '%Y%m%d')
        WHEN regexp_full_match(trim(x, ' '), '[0-9]{8} [0-9:.]+')
            THEN TRY_CAST(regexp_replace(trim(x, ' '), '^(....)(..)(..) ', '\\1-\\2-\\3 ') AS TIMESTAMP)
        WHEN regexp_full_match(trim(x, ' '), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0?)?)?)?')
            THEN TRY_CAST(trim(x, ' ') AS TIMESTAMP)
        WHEN regexp_full_match(trim(x, ' '), '[0-9]{1,2}[:][0-9]{2}([:][0-9]{2}([.][0-9]{1,6}0?)?)?')
            THEN TRY_CAST('1900-01-01 ' || trim(x, ' ') AS TIMESTAMP)
        WHEN regexp_full_match(trim(x, ' '), '[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{4}')
            THEN try_strptime(replace(trim(x, ' '), '-', '/'), '%m/%d/%Y') END""",
    f"""tsql_timestamp(x) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(tsql_try_timestamp(x),
        error('@@TSQL|{_FAIL_DATE[0]}|{_FAIL_DATE[1]}|@@')) END""",
    f"""tsql_styled(x, format) AS CASE WHEN x IS NULL THEN NULL ELSE coalesce(try_strptime(trim(x, ' '), format),
        tsql_try_timestamp(x), error('@@TSQL|{_FAIL_DATE[0]}|{_FAIL_DATE[1]}|@@')) END""",
    # datetime keeps 1/300 s: microseconds to the tick and back, as .000, .003, .007.
    """tsql_datetime(x) AS date_trunc('day', x) + to_microseconds(
        (((epoch_us(x) - epoch_us(date_trunc('day', x))) * 3 + 5000) // 10000 * 10 + 1) // 3 * 1000)""",
    # datetime2(n), smalldatetime: to the nearest multiple of `step` microseconds.
    """tsql_round_us(x, step) AS date_trunc('day', x) + to_microseconds(
        (epoch_us(x) - epoch_us(date_trunc('day', x)) + step // 2) // step * step)""",
    # Exact decimals: the unscaled integer of a decimal, and a decimal of it again (through text: no rounding).
    "tsql_unscaled(x) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT)",
    """tsql_scaled(u, power, s) AS CASE WHEN u < 0 THEN '-' ELSE '' END || CAST(abs(u) // power AS VARCHAR)
        || '.' || lpad(CAST(abs(u) % power AS VARCHAR), s, '0')""",
    # decimal / decimal: both unscaled, `power` brings the quotient to its scale; truncates as SQL Server does.
    """tsql_quotient(a, b, power) AS a // tsql_nz(b) * power + a % tsql_nz(b) * power // tsql_nz(b)""",
    # decimal * decimal beyond 38 digits of scale: both unscaled at scale 20; the product at scale 20, truncated.
    # Whole and fraction parts apart, the fraction of one in two halves, so that nothing passes 128 bits.
    """tsql_product20(a, b) AS sign(a) * sign(b) * (
        (abs(a) // 100000000000000000000::HUGEINT) * (abs(b) // 100000000000000000000::HUGEINT) * 100000000000000000000::HUGEINT
        + (abs(a) // 100000000000000000000::HUGEINT) * (abs(b) % 100000000000000000000::HUGEINT)
        + (abs(a) % 100000000000000000000::HUGEINT) * (abs(b) // 100000000000000000000::HUGEINT)
        + ((abs(a) % 100000000000000000000::HUGEINT) // 10000000000::HUGEINT * (abs(b) % 100000000000000000000::HUGEINT)
           + (abs(a) % 10000000000::HUGEINT) * (abs(b) % 100000000000000000000::HUGEINT) // 10000000000::HUGEINT)
          // 10000000000::HUGEINT)""",
]


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates the macros in the connection's current database."""
    for macro in MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {macro}")

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- integers ---- */

char *number_write_unsigned(char *out, uint64_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char digits[NUMBER_INTEGER_MAX];
    char *end = digits + sizeof digits, *p = end;
    while (value >= 100) {
        p -= 2;
        memcpy(p, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, pairs + value * 2, 2);
    } else {
        *--p = (char)('0' + value);
    }
    memcpy(out, p, (size_t)(end - p));
    return out + (end - p);
}

char *number_write_signed(char *out, int64_t value)
{
    if (value >= 0)
        return number_write_unsigned(out, (uint64_t)value);
    *out++ = '-';
    return number_write_unsigned(out, -(uint64_t)value);
}

/* ---- the parts of a number ---- */

enum { EXPONENT_MAX = 1 << 28 }; /* no sum with a length in bytes overflows, no double comes near it */

/* A number is its digits, the first and the last of which are not 0, times 10^exponent. Without digits it is
 * 0. */
typedef struct parts {
    const char *first, *last; /* a point may stand among the digits; last is behind them */
    size_t digits;
    int64_t exponent;
    bool negative;
} parts;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_exponent(const char *p, const char *end, int64_t *exponent)
{
    bool negative = p < end && *p == '-';
    int64_t value = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (value < EXPONENT_MAX)
            value = value * 10 + (*p - '0');
    }
    *exponent = negative ? -value : value;
    return true;
}

/* The digits from p on, a point among them; those at either end that are 0 are left out. */
static const char *read_digits(parts *out, const char *p, const char *end)
{
    const char *point = NULL;
    out->first = out->last = NULL;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = p;
        } else if (*p != '0') {
            if (!out->first)
                out->first = p;
            out->last = p + 1;
        }
    }
    out->digits = 0;
    out->exponent = 0;
    if (!out->first)
        return p;
    if (!point)
        point = p;
    out->digits = (size_t)(out->last - out->first) - (out->first < point && point < out->last);
    out->exponent = out->last <= point ? point - out->last : point + 1 - out->last;
    return p;
}

static bool read_parts(parts *out, hub_bytes text)
{
    if (text.length == 0)
        return false;
    const char *p = text.data, *end = p + text.length;
    int64_t exponent = 0;
    out->negative = *p == '-';
    p += out->negative;
    if (p == end || !is_digit(*p))
        return false;
    p = read_digits(out, p, end);
    if (p < end && ((*p | 0x20) != 'e' || !read_exponent(p + 1, end, &exponent)))
        return false;
    out->exponent += exponent;
    return true;
}

/* The digits as an integer: at most 19 of them. */
static uint64_t mantissa_of(const parts *number)
{
    uint64_t value = 0;
    for (const char *p = number->first; p < number->last; p++)
        if (*p != '.')
            value = value * 10 + (uint64_t)(*p - '0');
    return value;
}

bool number_read_integer(hub_bytes text, int64_t *value)
{
    enum { DIGITS_MAX = 19 };
    parts number;
    if (!read_parts(&number, text))
        return false;
    if (number.digits == 0) {
        *value = 0;
        return true;
    }
    if (number.exponent < 0 || number.exponent > DIGITS_MAX || number.digits > DIGITS_MAX ||
        number.digits + (uint64_t)number.exponent > DIGITS_MAX)
        return false;
    uint64_t magnitude = mantissa_of(&number);
    for (int64_t i = 0; i < number.exponent; i++)
        magnitude *= 10; /* below 10^19, which 64 bits hold */
    if (magnitude > (uint64_t)INT64_MAX + number.negative)
        return false;
    *value = (int64_t)(number.negative ? -magnitude : magnitude);
    return true;
}

/* ---- doubles ---- */

/* Powers of ten that a double holds exactly. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { POWER_MAX = 22, EXACT_DIGITS = 15 };

static locale_t plain_locale;

/* The application may have chosen a locale with a decimal comma. */
__attribute__((constructor)) static void open_locale(void)
{
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool parse_double(const char *text, double *value)
{
    char *end;
    *value = strtod_l(text, &end, plain_locale);
    return isfinite(*value);
}

/* By the library, which wants a NUL behind the text. */
static bool copy_and_parse(hub_bytes text, double *value)
{
    char small[101];
    char *copy = text.length < sizeof small ? small : malloc(text.length + 1);
    if (!copy)
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    int error = errno;
    bool good = parse_double(copy, value);
    errno = error;
    if (copy != small)
        free(copy);
    return good;
}

bool number_read_double(hub_bytes text, double *value)
{
    parts number;
    if (!read_parts(&number, text))
        return false;
    if (number.digits > EXACT_DIGITS || number.exponent > POWER_MAX || number.exponent < -POWER_MAX)
        return copy_and_parse(text, value);
    /* Both are exact, so that the one operation on them rounds once, as it should. */
    double magnitude = number.digits ? (double)mantissa_of(&number) : 0;
    if (number.exponent < 0)
        magnitude /= powers[-number.exponent];
    else
        magnitude *= powers[number.exponent];
    *value = number.negative ? -magnitude : magnitude;
    return true;
}

/* A few places behind the point, as prices and coordinates have: true when that is the same double. */
static bool write_short(char **out, double value)
{
    enum { PLACES_MAX = 9 };
    const double limit = 1e15;
    double magnitude = fabs(value);
    if (magnitude >= limit || (magnitude < 1e-5 && magnitude != 0))
        return false;
    for (int places = 0; places <= PLACES_MAX; places++) {
        double scaled = nearbyint(magnitude * powers[places]);
        if (scaled >= limit)
            return false;
        if (scaled / powers[places] != magnitude)
            continue;
        uint64_t whole = (uint64_t)scaled, unit = (uint64_t)powers[places];
        char *p = *out;
        if (signbit(value))
            *p++ = '-';
        p = number_write_unsigned(p, whole / unit);
        if (places > 0) {
            char digits[NUMBER_INTEGER_MAX];
            size_t length = (size_t)(number_write_unsigned(digits, whole % unit + unit) - digits);
            digits[0] = '.'; /* instead of the 1 that keeps the zeros behind it */
            memcpy(p, digits, length);
            p += length;
        }
        *out = p;
        return true;
    }
    return false;
}

char *number_write_double(char *out, double value)
{
    if (write_short(&out, value))
        return out;
    locale_t before = uselocale(plain_locale);
    int length = 0;
    for (int digits = EXACT_DIGITS; digits <= 17; digits++) {
        double same;
        length = snprintf(out, NUMBER_DOUBLE_MAX, "%.*g", digits, value);
        if (parse_double(out, &same) && same == value)
            break;
    }
    uselocale(before);
    return out + length;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/date.h"

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char day_endings[7][7] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { SECONDS_PER_DAY = 86400 };

typedef struct civil {
    int64_t year;
    int month, day; /* 1 … */
    int hour, minute, second;
} civil;

/* ---- the calendar ---- */

/*
 * Days since 1970-01-01 of a Gregorian date. Years are counted from March, so that the leap day is their last
 * and 153 days make five months.
 */
static int64_t days_of(int64_t year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The same backwards. */
static void date_of(int64_t days, civil *out)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (int)((5 * day_of_year + 2) / 153);
    out->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = month < 10 ? month + 3 : month - 9;
    out->year = year_of_era + era * 400 + (out->month <= 2);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int64_t year, int month)
{
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : lengths[month - 1];
}

static bool to_time(const civil *date, int64_t *time)
{
    if (date->day < 1 || date->day > days_in_month(date->year, date->month) || date->hour > 23 ||
        date->minute > 59 || date->second > 60)
        return false;
    *time = days_of(date->year, date->month, date->day) * SECONDS_PER_DAY + (int64_t)date->hour * 3600 +
            (int64_t)date->minute * 60 + date->second;
    return true;
}

/* ---- writing ---- */

static char *put_number(char *p, int64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return p + digits;
}

static char *put_text(char *p, const char *text)
{
    while (*text != '\0')
        *p++ = *text++;
    return p;
}

void date_format(int64_t time, char out[DATE_LENGTH + 1])
{
    const int64_t first = days_of(0, 1, 1) * SECONDS_PER_DAY, end = days_of(10000, 1, 1) * SECONDS_PER_DAY;
    if (time < first)
        time = first;
    if (time >= end)
        time = end - 1;

    int64_t days = time / SECONDS_PER_DAY, second = time % SECONDS_PER_DAY;
    if (second < 0) {
        second += SECONDS_PER_DAY;
        days--;
    }
    int64_t weekday = (days % 7 + 7 + 4) % 7; /* the first of January 1970 was a Thursday */
    civil date;
    date_of(days, &date);

    char *p = put_text(out, day_names[weekday]);
    p = put_number(put_text(p, ", "), date.day, 2);
    p = put_text(put_text(put_text(p, " "), month_names[date.month - 1]), " ");
    p = put_number(p, date.year, 4);
    p = put_number(put_text(p, " "), second / 3600, 2);
    p = put_number(put_text(p, ":"), second / 60 % 60, 2);
    p = put_number(put_text(p, ":"), second % 60, 2);
    p = put_text(p, " GMT");
    *p = '\0';
}

hub_bytes date_now(int64_t now)
{
    static char text[DATE_LENGTH + 1];
    static int64_t made_for = INT64_MIN;
    if (now != made_for || text[0] == '\0') {
        date_format(now, text);
        made_for = now;
    }
    return hub_bytes_of(text, DATE_LENGTH);
}

/* ---- reading ---- */

static bool take_text(hub_bytes *rest, const char *text)
{
    size_t length = strlen(text);
    const char *p = rest->data;
    if (rest->length < length || memcmp(p, text, length) != 0)
        return false;
    *rest = hub_bytes_of(p + length, rest->length - length);
    return true;
}

static bool take_number(hub_bytes *rest, int digits, int *out)
{
    const char *p = rest->data;
    int number = 0;
    if (rest->length < (size_t)digits)
        return false;
    for (int i = 0; i < digits; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        number = number * 10 + (p[i] - '0');
    }
    *out = number;
    *rest = hub_bytes_of(p + digits, rest->length - (size_t)digits);
    return true;
}

static bool take_name(hub_bytes *rest, const char (*names)[4], int count, int *index)
{
    for (int i = 0; i < count; i++) {
        if (take_text(rest, names[i])) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool take_month(hub_bytes *rest, civil *date)
{
    int index;
    if (!take_name(rest, month_names, 12, &index))
        return false;
    date->month = index + 1;
    return true;
}

static bool take_year(hub_bytes *rest, civil *date)
{
    int year;
    if (!take_number(rest, 4, &year))
        return false;
    date->year = year;
    return true;
}

static bool take_clock(hub_bytes *rest, civil *date)
{
    return take_number(rest, 2, &date->hour) && take_text(rest, ":") && take_number(rest, 2, &date->minute) &&
           take_text(rest, ":") && take_number(rest, 2, &date->second);
}

/* ", 06 Nov 1994 08:49:37 GMT", behind the day's name */
static bool take_fixdate(hub_bytes rest, civil *date)
{
    return take_text(&rest, ", ") && take_number(&rest, 2, &date->day) && take_text(&rest, " ") &&
           take_month(&rest, date) && take_text(&rest, " ") && take_year(&rest, date) &&
           take_text(&rest, " ") && take_clock(&rest, date) && take_text(&rest, " GMT") && rest.length == 0;
}

/* ", 06-Nov-94 08:49:37 GMT", behind the day's long name; `year` is left with its two digits. */
static bool take_rfc850(hub_bytes rest, civil *date)
{
    int year;
    if (!take_text(&rest, ", ") || !take_number(&rest, 2, &date->day) || !take_text(&rest, "-") ||
        !take_month(&rest, date) || !take_text(&rest, "-") || !take_number(&rest, 2, &year))
        return false;
    date->year = year;
    return take_text(&rest, " ") && take_clock(&rest, date) && take_text(&rest, " GMT") && rest.length == 0;
}

/* " Nov  6 08:49:37 1994", behind the day's name; the day has a space for a leading zero. */
static bool take_asctime(hub_bytes rest, civil *date)
{
    if (!take_text(&rest, " ") || !take_month(&rest, date) || !take_text(&rest, " "))
        return false;
    if (take_text(&rest, " ") ? !take_number(&rest, 1, &date->day) : !take_number(&rest, 2, &date->day))
        return false;
    return take_text(&rest, " ") && take_clock(&rest, date) && take_text(&rest, " ") &&
           take_year(&rest, date) && rest.length == 0;
}

/* The century that puts a year of two digits nearest to now, but not more than 50 years after it. */
static bool two_digit_time(civil *date, int64_t now, int64_t *time)
{
    civil today, latest;
    int64_t days = now / SECONDS_PER_DAY - (now % SECONDS_PER_DAY < 0);
    date_of(days, &today);
    latest = *date;
    latest.year += (today.year / 100 + 1) * 100;
    while (latest.year > today.year + 50)
        latest.year -= 100;
    if (!to_time(&latest, time))
        return false;
    if (latest.year == today.year + 50) {
        int64_t border =
            days_of(latest.year, today.month, today.day) * SECONDS_PER_DAY + (now - days * SECONDS_PER_DAY);
        if (*time > border) {
            latest.year -= 100;
            return to_time(&latest, time);
        }
    }
    return true;
}

bool date_parse(hub_bytes text, int64_t now, int64_t *time)
{
    civil date = {0};
    int weekday;
    if (!take_name(&text, day_names, 7, &weekday))
        return false;
    if (take_fixdate(text, &date) || take_asctime(text, &date))
        return to_time(&date, time);
    return take_text(&text, day_endings[weekday]) && take_rfc850(text, &date) &&
           two_digit_time(&date, now, time);
}

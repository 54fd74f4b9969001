/*
 * times.c
 *	  Points in time that callers write as texts, and intervals.
 */
#include "postgres.h"
#include "base/compat.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/base.h"

/* A thousand years, which is longer than whatever is meant */
#define DAYS_MAX	INT64CONST(365250)

/*
 * An interval in microseconds, where a month has 30 days.  One of more than a thousand
 * years, or of infinity, is as good as that many.
 */
int64
tarx_keys_interval_usecs(const Interval *interval)
{
	int64		whole_days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	/* the time may be as long as the days; both together do not overflow */
	whole_days = Max(Min(whole_days, DAYS_MAX), -DAYS_MAX);
	return whole_days * USECS_PER_DAY + Max(Min(interval->time, DAYS_MAX * USECS_PER_DAY), -DAYS_MAX * USECS_PER_DAY);
}

/* Before 16, a zone that nobody knows is an error that quotes it. */
static bool
are_zones_known(char **fields, const int *types, int nfields)
{
	for (int i = 0; i < nfields; i++)
	{
		if (types[i] == DTK_DATE && !tarx_keys_is_digit(fields[i][0]) && pg_tzset(fields[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * Read a text as timestamptz does; returns false if it is none, or not finite.
 * timestamptz_in() would raise an error that quotes the text.
 */
bool
tarx_keys_parse_time(const char *string, TimestampTz *time)
{
	char		buffer[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;
	int			zone;
	struct pg_tm tm;
	fsec_t		fsec;

	return ParseDateTime(string, buffer, sizeof(buffer), fields, types, MAXDATEFIELDS, &nfields) == 0 &&
		are_zones_known(fields, types, nfields) &&
		tarx_keys_decode_datetime(fields, types, nfields, &kind, &tm, &fsec, &zone) == 0 &&
		kind == DTK_DATE && tm2timestamp(&tm, fsec, &zone, time) == 0 && IS_VALID_TIMESTAMP(*time);
}

/*
 * Read a text as interval does; returns false if it is none, or not finite.
 * interval_in() would raise an error that quotes the text.
 */
bool
tarx_keys_parse_interval(const char *string, Interval *interval)
{
	char		buffer[256];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;
	struct pg_itm_in parts = {0};

	return ParseDateTime(string, buffer, sizeof(buffer), fields, types, MAXDATEFIELDS, &nfields) == 0 &&
		(DecodeInterval(fields, types, nfields, INTERVAL_FULL_RANGE, &kind, &parts) == 0 ||
		 DecodeISO8601Interval(unconstify(char *, string), &kind, &parts) == 0) &&
		kind == DTK_DELTA && itmin2interval(&parts, interval) == 0;
}

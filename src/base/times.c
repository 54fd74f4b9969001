/*
 * times.c
 *	  Points in time and durations that people write as texts.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/base.h"

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

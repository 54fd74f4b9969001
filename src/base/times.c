/*
 * times.c
 *	  Points in time that callers write as texts.
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

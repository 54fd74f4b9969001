/*
 * pgstub.h
 *	  What cppcheck, which is not given PostgreSQL's headers, must know of them.
 */
#define PG_VERSION_NUM			150000
#define PG_FUNCTION_INFO_V1(f)	extern int pg_finfo_##f
#define PG_MODULE_MAGIC			extern int pg_magic
#define PG_FUNCTION_ARGS		FunctionCallInfo fcinfo
#define PG_ARGISNULL(n)			(fcinfo->args[n].isnull)
#define PG_GETARG_UUID_P(n)		((pg_uuid_t *) fcinfo->args[n].value)

typedef struct
{
	unsigned char data[16];
} pg_uuid_t;

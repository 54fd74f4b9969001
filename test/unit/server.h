/*
 * server.h
 *	  What a unit test of a file of the server's has in place of PostgreSQL's: errors end
 *	  the program.
 *
 * Include it behind tap.h, because PostgreSQL has a printf() of its own.
 */
#ifndef TARX_KEYS_SERVER_H
#define TARX_KEYS_SERVER_H

#include "postgres.h"
#include "base/compat.h"

bool
errstart(int elevel, const char *domain)
{
	(void) domain;
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	return sqlerrcode;
}

int
errmsg(const char *fmt,...)
{
	(void) fmt;
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	(void) fmt;
	return 0;
}

int
errdetail(const char *fmt,...)
{
	(void) fmt;
	return 0;
}

int
errhint(const char *fmt,...)
{
	(void) fmt;
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	(void) filename;
	(void) lineno;
	(void) funcname;
	exit(EXIT_FAILURE);
}

/* The headers of a server that asserts call it. */
#ifdef USE_ASSERT_CHECKING
void
#if PG_VERSION_NUM >= 160000
ExceptionalCondition(const char *condition, const char *file, int line)
#else
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
#endif
{
	(void) condition;
	(void) file;
	(void) line;
#if PG_VERSION_NUM < 160000
	(void) type;
#endif
	abort();
}
#endif

#endif							/* TARX_KEYS_SERVER_H */

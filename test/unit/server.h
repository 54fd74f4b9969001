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

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	(void) filename;
	(void) lineno;
	(void) funcname;
	exit(EXIT_FAILURE);
}

#endif							/* TARX_KEYS_SERVER_H */

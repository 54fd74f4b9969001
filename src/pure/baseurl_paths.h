/*
 * baseurl_paths.h
 *	  What a provider knows of the paths of base URLs.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_BASEURL_PATHS_H
#define TARX_KEYS_BASEURL_PATHS_H

#include "pure/baseurl.h"

/*
 * Patterns are paths: each segment with a slash in front of it, and "*" for any
 * one segment.
 */
typedef struct TarxKeysBaseUrlPaths
{
	const TarxKeysSpan *tails;	/* cut off at the end of any path */
	size_t		ntails;
	const TarxKeysSpan *known;	/* paths that are cut off as a whole, where
								 * not any path stays */
	size_t		nknown;
	bool		any;			/* whether a path that is not known stays */
	TarxKeysSpan standard;		/* the path of a base URL that has none, or
								 * only what was cut off */
} TarxKeysBaseUrlPaths;

extern TarxKeysBaseUrlStatus tarx_keys_baseurl_settle_path(TarxKeysBaseUrl *url,
														   const TarxKeysBaseUrlPaths *paths);

#endif							/* TARX_KEYS_BASEURL_PATHS_H */

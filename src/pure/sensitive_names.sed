# The functions that take or return a value.  The SQL parts mark each with the
# line "-- carries a value" before its CREATE FUNCTION.  If another line follows
# the mark, it comes out as it is and does not compile.
/^-- carries a value/{
	n
	s/^CREATE FUNCTION tarx_keys\.([a-z0-9_]+).*/NAME(\1)/
	p
}

# The functions whose calls may carry a value.
#
# CARRIES(x): its arguments or results are values.  The SQL parts mark it with the
# line "-- carries a value" before its CREATE FUNCTION.  If another line follows
# the mark, it comes out as it is and does not compile.
/^-- carries a value/{
	n
	s/^CREATE FUNCTION tarx_keys\.([a-z0-9_]+).*/CARRIES(\1)/
	p
	d
}
# The exceptions from the next rule
/^-- logged as it is/{
	n
	d
}
# TAKES(x): it may get a value by mistake, in place of an id or a number.  That is
# whatever has an argument and changes or resolves something.
/^CREATE (FUNCTION|PROCEDURE) tarx_keys\./{
	:more
	/\nLANGUAGE/!{
		N
		b more
	}
	/\nLANGUAGE [a-z]+ (STABLE|IMMUTABLE)/d
	/^[^(]*\((OUT [^,)]*(, )?)*\)/d
	s/^[A-Z]+ [A-Z]+ tarx_keys\.([a-z0-9_]+).*/TAKES(\1)/p
	d
}

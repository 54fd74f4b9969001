# The functions that carry a value, out of the SQL parts: "-- carries a value"
# stands in the line before CREATE FUNCTION.  Anything else behind such a line
# comes out as it is, and does not compile.
/^-- carries a value/{
	n
	s/^CREATE FUNCTION tarx_keys\.([a-z0-9_]+).*/NAME(\1)/
	p
}

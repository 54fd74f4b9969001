# The names that may follow "tarx_keys." in a harmless text: everything that the
# SQL parts create in the schema and that carries no value, and the settings,
# whose names the C files have as strings.  A name that this misses counts as
# misspelt, and statements with it are redacted.
/^-- carries a value/{
	n
	d
}
s/^CREATE (FUNCTION|PROCEDURE|TABLE|VIEW) tarx_keys\.([a-z0-9_]+).*/NAME(\2)/p
s/.*"tarx_keys\.([a-z0-9_]+)".*/NAME(\1)/p

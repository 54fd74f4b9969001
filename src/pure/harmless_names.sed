# What may follow "tarx_keys." in a text without making it sensitive: all else
# that the SQL parts create in the schema, and the names of settings, which stand
# in the C files as strings.  A name that is missed here is taken for a misspelt
# one: statements with it are redacted.
/^-- carries a value/{
	n
	d
}
s/^CREATE (FUNCTION|PROCEDURE|TABLE|VIEW) tarx_keys\.([a-z0-9_]+).*/NAME(\2)/p
s/.*"tarx_keys\.([a-z0-9_]+)".*/NAME(\1)/p

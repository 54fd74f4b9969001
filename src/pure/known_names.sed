# The names that may follow "tarx_keys.": everything that the SQL parts create in
# the schema, and the settings, whose names the C files have as strings.  A name
# that this misses counts as misspelt, and statements with it are redacted.
s/^CREATE (FUNCTION|PROCEDURE|TABLE|VIEW) tarx_keys\.([a-z0-9_]+).*/NAME(\2)/p
s/.*"tarx_keys\.([a-z0-9_]+)".*/NAME(\1)/p

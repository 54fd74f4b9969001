-- Included with ECHO none.
-- What comes of a call, with its error but for ids
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    argument text;
    result text;
BEGIN
    EXECUTE 'SELECT ' || call INTO result;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, nullif(argument, ''), regexp_replace(SQLERRM, '[0-9a-f]{8}-[-0-9a-f]{27}', '…', 'g'));
END $$;

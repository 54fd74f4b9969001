// Pages of lists. A cursor is where the page before has ended, by columns that do not
// change, so that nothing is left out or twice when rows come and go meanwhile.

import { Problem } from './problems.js';

const encode = (texts) => Buffer.from(JSON.stringify(texts)).toString('base64url');

function wrongCursor() {
  return new Problem(400, 'invalid_request', 'Cursor is not one of this list.', { field: 'cursor' });
}

function decode(cursor, count) {
  try {
    const texts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(texts) && texts.length === count && texts.every((text) => typeof text === 'string')) return texts;
  } catch {
    // said below
  }
  throw wrongCursor();
}

// list: select and from are SQL; by is what orders it, as { column: type }, of which all
// are descending or none; filters are { column: value }, where undefined is no filter
export async function page(client, { select, from, by, descending = false, filters = {} }, { limit, cursor }) {
  const columns = Object.keys(by);
  const values = [limit + 1];
  const bind = (value, type) => `$${values.push(value)}::${type}`;
  const conditions = Object.entries(filters).filter(([, { value }]) => value !== undefined)
    .map(([column, { value, type }]) => `${column} = ${bind(value, type)}`);
  if (cursor !== undefined) {
    const last = decode(cursor, columns.length).map((text, i) => bind(text, by[columns[i]]));
    // the first one by itself is what an index is asked for
    conditions.push(`${columns[0]} ${descending ? '<=' : '>='} ${last[0]}`, `(${columns}) ${descending ? '<' : '>'} (${last})`);
  }
  const order = columns.map((column) => (descending ? `${column} DESC` : column));
  const sql = `SELECT ${select}, ARRAY[${columns.map((column) => `(${column})::text`)}] AS cursor FROM ${from}
    WHERE ${conditions.join(' AND ') || 'true'} ORDER BY ${order} LIMIT $1`;
  const { rows } = await client.query(sql, values).catch((error) => {
    throw cursor !== undefined && /^22/.test(error.code) ? wrongCursor() : error;
  });
  const data = rows.slice(0, limit);
  const next = rows.length > limit ? encode(data.at(-1).cursor) : null;
  for (const row of data) delete row.cursor;
  return { data, next_cursor: next };
}

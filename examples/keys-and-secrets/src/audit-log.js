// A project's audit log: what is asked of it, and how it is read. The database shows it
// to the project's admins only.

import { stringify } from 'csv-stringify/sync';

export const PAGE = 50;
export const MOST_EXPORTED = 10_000;

const DAY_MS = 24 * 60 * 60 * 1000;
const DATE = /^\d{4}-\d\d-\d\d$/;
const ACTION = /^[a-z_]+(\.[a-z_]+)?$/;
const CURSOR = /^(\d{4}-\d\d-\d\dT[\d:.]{8,15}Z)_(\d{1,18})$/;

// no text in the database has a NUL
const textIn = (value) => (typeof value === 'string' ? value.replaceAll('\0', '').trim().slice(0, 200) : '');

// A day of UTC, or nothing; another one that many days later
function dayIn(value) {
  return DATE.test(value ?? '') && !Number.isNaN(Date.parse(value)) ? value : '';
}
const daysAfter = (day, days) => (day === '' ? null : new Date(Date.parse(day) + days * DAY_MS));

// What a query string asks for; what is no filter is none
export function filterIn(query) {
  return {
    action: ACTION.test(query.action ?? '') ? query.action : '',
    who: textIn(query.who), what: textIn(query.what), from: dayIn(query.from), to: dayIn(query.to),
    before: CURSOR.test(query.before ?? '') ? query.before : '',
  };
}

export const isFiltered = ({ action, who, what, from, to }) => [action, who, what, from, to].some(Boolean);

// Rows about an object have its id, and some its name; some have the id of another one in
// the name's place. So what was ever called so is found by its id.
const NAMES_OTHERS = "('agent.set_key', 'agent.set_provider', 'agents.repoint', 'llm_key.replace')";
const NAMED = `SELECT object_id FROM tarx_keys.project_audit WHERE strpos(lower(object_name), lower($4)) > 0 AND action NOT IN ${NAMES_OTHERS}`;

const WHERE = `($1 = '' OR action = $1 OR starts_with(action, $1 || '.'))
   AND ($2 = '' OR user_id = $2)
   AND ($3::timestamptz IS NULL OR at >= $3)
   AND ($5::timestamptz IS NULL OR at < $5)
   AND ($4 = '' OR strpos(lower(object_name), lower($4)) > 0 OR object_id::text = lower($4)
        OR object_id IN (${NAMED}) OR object_name IN (SELECT object_id::text FROM (${NAMED}) named))
   AND ($6::timestamptz IS NULL OR at <= $6 AND (at, seq) < ($6, $7::bigint))`;

// The time in all its microseconds, which is what the next page begins behind
const AT = `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const query = (limit) => `SELECT at, ${AT} AS exactly, seq, user_id, proven, login, client, action, object_id, object_name, revision, outcome
  FROM tarx_keys.project_audit WHERE ${WHERE} ORDER BY at DESC, seq DESC LIMIT ${limit}`;

function valuesOf({ action, who, what, from, to, before }) {
  const [, at = null, seq = null] = CURSOR.exec(before) ?? [];
  return [action, who, daysAfter(from, 0), what, daysAfter(to, 1), at, seq];
}

// A page, newest first, and what the next one begins behind, if there is one
export async function readPage(client, filter) {
  const { rows } = await client.query(query(PAGE + 1), valuesOf(filter));
  const page = rows.slice(0, PAGE);
  const last = page.at(-1);
  return { rows: page, next: rows.length > PAGE ? `${last.exactly}_${last.seq}` : null };
}

// The last known names of the objects that rows are about, by their ids
export async function readNames(client, rows) {
  const ids = rows.flatMap(({ object_id: id, object_name: name }) => [id, name]).filter((text) => UUID.test(text ?? ''));
  if (ids.length === 0) return new Map();
  const { rows: named } = await client.query(
    `SELECT DISTINCT ON (object_id) object_id, object_name FROM tarx_keys.project_audit
      WHERE object_id = ANY($1::uuid[]) AND action = ANY($2) ORDER BY object_id, at DESC`, [ids, NAMING]);
  return new Map(named.map(({ object_id: id, object_name: name }) => [id, name]));
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NAMING = ['llm_key.add', 'llm_key.update', 'agent.create', 'agent.rename', 'service_account.create'];

const COLUMNS = ['time_utc', 'user', 'action', 'object_name', 'object_id', 'revision', 'outcome', 'proven', 'client', 'login', 'seq'];

// For spreadsheets: what one of them would take for a formula gets a quote in front, also
// where it takes another character than the comma to end a cell
const unformulated = (text) => text.replace(/([;\t|])(?=\s*[=+@\uff1d\uff0b\uff20-])/g, "$1'");

export async function exportCsv(client, filter) {
  const { rows } = await client.query(query(MOST_EXPORTED), valuesOf({ ...filter, before: '' }));
  return stringify(rows.map((row) => [row.exactly, row.user_id, row.action, row.object_name, row.object_id, row.revision,
    row.outcome, row.proven ? 'yes' : 'no', row.client, row.login, row.seq]),
  { header: true, columns: COLUMNS, record_delimiter: 'windows', escape_formulas: true, cast: { string: unformulated }, bom: true });
}

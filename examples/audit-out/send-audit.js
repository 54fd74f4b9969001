// Sends new rows of the audit log to a webhook, in the order of commits, none left out:
//
//   AUDIT_URL=postgres://audit_out@host/app WEBHOOK_URL=https://siem.example/in node send-audit.js
//
// Run "npm ci" in ../client first. README.md says how to make the login and the slot. It
// looks at what the slot has, sends it, and advances the slot. If it is stopped in between,
// it sends the same rows again: project_id, personal, generation and seq tell them apart.
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';

const pg = createRequire(new URL('../client/', import.meta.url))('pg');
const { AUDIT_URL, WEBHOOK_URL, AUDIT_SLOT = 'tarx_keys_audit', ONCE } = process.env;
const client = new pg.Client({ connectionString: AUDIT_URL });
await client.connect();

const PEEK = `SELECT data FROM pg_logical_slot_peek_changes($1, NULL, 1000,
  'format-version', '2', 'include-lsn', 'true', 'add-tables', 'tarx_keys.audit_log')`;
const rowOf = ({ columns }) => Object.fromEntries(columns.filter(({ name }) => name !== 'stamp').map(({ name, value }) => [name, value]));

for (;;) {
  const { rows: [{ before }] } = await client.query('SELECT pg_current_wal_flush_lsn() AS before');
  const { rows } = await client.query(PEEK, [AUDIT_SLOT]);
  const changes = rows.map(({ data }) => JSON.parse(data));
  const sent = changes.filter(({ action }) => action === 'I').map(rowOf); // a purge deletes
  if (sent.length > 0) {
    const answer = await fetch(WEBHOOK_URL, { method: 'POST', redirect: 'error', headers: { 'content-type': 'application/json' }, body: JSON.stringify(sent) });
    if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
  }
  // other databases of the cluster write WAL, too: without this the slot would keep it
  const end = changes.findLast(({ action }) => action === 'C')?.nextlsn ?? before;
  await client.query('SELECT pg_replication_slot_advance($1, $2)', [AUDIT_SLOT, end]);
  if (changes.length === 0 && ONCE) break;
  if (changes.length === 0) await wait(1000);
}
await client.end();

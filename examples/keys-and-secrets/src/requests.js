// Requests to providers. What to send comes from the database, with the key in it.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { isAdmitted, isPublic, lookupWhere, requireHost } from './addresses.js';

// Resolves to the response as it begins. Unlike fetch, this follows no redirects,
// which would take the key to another place, and lets us say which addresses a
// name may have: NotPublic is thrown for others.
export async function send({ method, url, headers }, { signal, allowPrivate, body }) {
  const target = new URL(url);
  const admits = allowPrivate ? isAdmitted : isPublic;
  requireHost(target, admits);
  const { request } = target.protocol === 'https:' ? https : http;
  const sent = request(target, {
    method, signal, agent: false, lookup: lookupWhere(admits),
    headers: { accept: 'application/json', 'accept-encoding': 'gzip, deflate, br', 'user-agent': 'keys-and-secrets', ...headers },
  });
  sent.on('error', () => {});    // the first one is thrown below
  sent.end(body);
  // with the signal again: an answer that is none, as 101, ends a request without an error
  const [response] = await once(sent, 'response', { signal });
  return response;
}

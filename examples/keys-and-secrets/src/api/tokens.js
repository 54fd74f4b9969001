// Whose request it is, and how many they may make. A platform key is what the request
// brings, each time; what is kept here is hashes and counts, for a while.

import { createHash } from 'node:crypto';
import { LoginEnded } from '../database.js';
import { tooMany, unauthorized } from './problems.js';

const FORM = /^Bearer +(\S+)$/i;

function tokenOf(request) {
  const given = request.raw.headersDistinct.authorization ?? [];
  if (given.length > 1) throw unauthorized({ code: 'unauthorized' });
  return FORM.exec(given[0] ?? '')?.[1];
}

export class Tokens {
  // Limiters of @fastify/rate-limit, which each keep a bounded number of counters
  constructor(app, { requests = 60, signIns = 10 }) {
    const keyGenerator = ({ tokenHash }) => tokenHash;
    this.ofToken = app.createRateLimit({ max: requests, timeWindow: '1 minute', keyGenerator });
    this.proven = app.createRateLimit({ max: 1, timeWindow: '1 hour', keyGenerator });
    this.wrong = app.createRateLimit({ max: signIns, timeWindow: '1 minute' });    // of an address
  }

  // Before the body is read. Who tries wrong tokens is held up, but keeps nobody at the
  // same address from using a right one that was seen lately.
  async admit(request, reply) {
    const token = tokenOf(request);
    if (token === undefined) throw unauthorized();
    request.token = token;
    request.tokenHash = createHash('sha256').update(token).digest('base64');
    const [proven, wrong] = await Promise.all([this.proven, this.wrong].map((limit) => limit(request, { increment: false })));
    if (proven.remaining > 0 && wrong.remaining === 0) throw tooMany(wrong.ttlInSeconds, 'wrong platform keys from your address');
    const { max, remaining, ttlInSeconds, isExceeded } = await this.ofToken(request);
    reply.headers({ 'x-ratelimit-limit': max, 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': ttlInSeconds });
    if (isExceeded) throw tooMany(ttlInSeconds, 'requests with this platform key');
  }

  // A transaction as the token's user
  async act(request, db, project, work) {
    try {
      const result = await db.asOwner(request.token, work, project);
      await this.proven(request);
      return result;
    } catch (error) {
      if (error instanceof LoginEnded) await this.wrong(request);
      throw error;
    }
  }
}

// Whose request it is, and how many they may make. A platform key is what the request
// brings, each time; what is kept here is hashes and counts, for a while.

import { createHash } from 'node:crypto';
import { LoginEnded } from '../database.js';
import { tooMany, UNAVAILABLE, unauthorized } from './problems.js';
import { Turns } from './turns.js';

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
    this.turns = new Turns();
  }

  // The address that a token comes from which was not right lately; undefined for one that
  // was. Who tries wrong tokens is held up, but keeps nobody at the same address from using
  // one of the others.
  async addressOfNew(request) {
    const [proven, wrong] = await Promise.all([this.proven, this.wrong].map((limit) => limit(request, { increment: false })));
    if (proven.remaining === 0) return undefined;
    if (wrong.remaining === 0) throw tooMany(wrong.ttlInSeconds, 'wrong platform keys from your address');
    return wrong.key;
  }

  // New tokens of an address take turns, until each is known to be right or wrong. So of
  // many that come at once, no more are tried than of those that come one by one.
  async turn(request) {
    const address = await this.addressOfNew(request);
    if (address === undefined) return () => {};
    const leave = await this.turns.enter(address);
    if (leave === undefined) throw UNAVAILABLE;
    try {
      if (await this.addressOfNew(request) === undefined) leave();
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  // Before the body is read
  async admit(request, reply) {
    const token = tokenOf(request);
    if (token === undefined) throw unauthorized();
    request.token = token;
    request.tokenHash = createHash('sha256').update(token).digest('base64');
    await this.addressOfNew(request);
    const { max, remaining, ttlInSeconds, isExceeded } = await this.ofToken(request);
    reply.headers({ 'x-ratelimit-limit': max, 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': ttlInSeconds });
    if (isExceeded) throw tooMany(ttlInSeconds, 'requests with this platform key');
  }

  // A transaction as the token's user
  async act(request, db, project, work) {
    const leave = await this.turn(request);
    try {
      return await db.asOwner(request.token, async (client, person) => {
        await this.proven(request);
        leave();
        return work(client, person);
      }, project);
    } catch (error) {
      if (error instanceof LoginEnded) await this.wrong(request);
      throw error;
    } finally {
      leave();
    }
  }
}

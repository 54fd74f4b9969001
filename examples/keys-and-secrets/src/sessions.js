// Who is signed in. The platform key stays in this process's memory; the browser
// has a random session id in a cookie that no script can read. A restart signs
// everybody out; several processes need sessions that stick to one of them, or
// a store of sessions that is as well kept as the keys.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const IDLE_MS = 60 * 60 * 1000;
const SWEEP_MS = 60 * 1000;
const MOST_SESSIONS = 10_000;

const random = () => randomBytes(32).toString('base64url');

const isOver = (session) => Date.now() - session.usedAt > IDLE_MS;

export class Sessions {
  #byId = new Map();

  constructor({ secure, most = MOST_SESSIONS }) {
    this.most = most;
    this.cookie = secure ? '__Host-session' : 'session';
    this.attributes = `Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
    // keys leave the memory also if nobody comes back
    setInterval(() => this.#sweep(), SWEEP_MS).unref();
    this.pattern = new RegExp(`(?:^|; )${this.cookie}=([A-Za-z0-9_-]{43})(?:;|$)`);
  }

  // keyId is that of the token as far as the service can tell, for what pages say of it
  start(reply, token, userId, keyId) {
    const id = random();
    if (this.#byId.size >= this.most) this.#byId.delete(this.#byId.keys().next().value);
    this.#byId.set(id, { id, token, userId, keyId, csrf: random(), notice: null, once: null, usedAt: Date.now() });
    reply.header('set-cookie', `${this.cookie}=${id}; ${this.attributes}`);
  }

  // The session of a request, or undefined
  of(request) {
    const [, id] = this.pattern.exec(request.headers.cookie ?? '') ?? [];
    const session = this.#byId.get(id);
    if (session === undefined || isOver(session)) return undefined;
    session.usedAt = Date.now();
    return session;
  }

  get size() {
    return this.#byId.size;
  }

  forget(session) {
    if (session) this.#byId.delete(session.id);
  }

  end(reply, session) {
    this.forget(session);
    reply.header('set-cookie', `${this.cookie}=; ${this.attributes}; Max-Age=0`);
  }

  #sweep() {
    for (const [id, session] of this.#byId) {
      if (isOver(session)) this.#byId.delete(id);
    }
  }
}

const digest = (text) => createHash('sha256').update(text).digest();

// A form of ours carries the session's token.
export function hasToken(session, given) {
  return typeof given === 'string' && timingSafeEqual(digest(session.csrf), digest(given));
}

// A form of another site does not come from ours, whatever it carries.
export function isSameOrigin(request) {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  try {
    return new URL(request.headers.origin).host === request.headers.host;
  } catch {
    return false;
  }
}

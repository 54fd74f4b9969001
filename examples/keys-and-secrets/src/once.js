// A token that its owner is still to write down. It is kept until they say that they have,
// or until the session ends, sealed: the box is in this process's memory, and what opens
// it in a cookie of the browser. Neither is of use without the other.

import { createRequire } from 'node:module';

const sodium = createRequire(import.meta.url)('libsodium-wrappers');
await sodium.ready;

const toText = (bytes) => sodium.to_base64(bytes, sodium.base64_variants.URLSAFE_NO_PADDING);
const toBytes = (text) => sodium.from_base64(text, sodium.base64_variants.URLSAFE_NO_PADDING);

export class Once {
  constructor({ secure }) {
    this.cookie = secure ? '__Host-once' : 'once';
    this.attributes = `Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
    this.pattern = new RegExp(`(?:^|; )${this.cookie}=([A-Za-z0-9_-]{43})(?:;|$)`);
  }

  // about is the token's name, and the path to go on to
  keep(reply, session, token, about) {
    const key = sodium.crypto_secretbox_keygen();
    const nonce = sodium.randombytes_buf(sodium.crypto_secretbox_NONCEBYTES);
    session.once = { about, nonce, box: sodium.crypto_secretbox_easy(token, nonce, key) };
    reply.header('set-cookie', `${this.cookie}=${toText(key)}; ${this.attributes}`);
    sodium.memzero(key);
  }

  // { token, about }, or undefined if none waits, or not for this browser
  read(request) {
    const { once } = request.session;
    const [, key] = this.pattern.exec(request.headers.cookie ?? '') ?? [];
    if (!once || key === undefined) return undefined;
    try {
      return { token: sodium.crypto_secretbox_open_easy(once.box, once.nonce, toBytes(key), 'text'), about: once.about };
    } catch {
      return undefined;
    }
  }

  forget(reply, session) {
    session.once = null;
    reply.header('set-cookie', `${this.cookie}=; ${this.attributes}; Max-Age=0`);
  }
}

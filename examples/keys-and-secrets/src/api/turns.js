// One at a time: who comes while another one is in waits in a row. Each name has its own.

import { setTimeout as sleep } from 'node:timers/promises';

export class Turns {
  #last = new Map();    // by name: what is over when nobody is left in its row

  constructor(mostMs = 5000) {
    this.mostMs = mostMs;
  }

  // Resolves to the function that makes room for the next one, or to undefined if it takes too long
  async enter(name) {
    const before = Promise.resolve(this.#last.get(name)).then(() => true);
    let leave;
    const left = new Promise((resolve) => { leave = resolve; });
    const last = Promise.all([before, left]).then(() => {
      if (this.#last.get(name) === last) this.#last.delete(name);
    });
    this.#last.set(name, last);
    if (await Promise.race([before, sleep(this.mostMs, false, { ref: false })])) return leave;
    leave();
    return undefined;
  }

  get size() {
    return this.#last.size;
  }
}

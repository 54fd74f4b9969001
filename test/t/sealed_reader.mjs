// What examples/client/sealing.js does, for tests in Perl:
//   open-key|open-secret FILE PROJECT_ID ASKED, and open-provider-key FILE PROJECT_ID
//   PROVIDER [TRIED ...], as the program seal.c has them
//   forge PUBLIC_KEY seals any bytes, in hexadecimal on standard input

import { readFileSync } from 'node:fs';
import { openKey, openSecret, sodium } from '../../examples/client/index.js';

const [what, file, projectId, asked, ...tried] = process.argv.slice(2);
const bytes = Buffer.from(readFileSync(0, 'latin1').replace(/^\\x/, '').trim(), 'hex');

function keyPair() {
  const privateKey = readFileSync(file);
  return { privateKey, publicKey: sodium.crypto_scalarmult_base(privateKey) };
}

if (what === 'forge') {
  console.log(Buffer.from(sodium.crypto_box_seal(bytes, Buffer.from(file, 'hex'))).toString('hex'));
} else if (what !== 'open-secret') {
  const key = openKey(sodium, bytes, keyPair(), { projectId, [what === 'open-key' ? 'id' : 'provider']: asked, tried });
  const headers = Object.keys(key.headers).length > 0 ? JSON.stringify(key.headers) : '';
  if (key.keyId) console.log(key.keyId);
  console.log([key.provider, key.baseUrl, key.authHeader, key.authScheme ?? '', key.value, headers].join('\n'));
} else {
  process.stdout.write(openSecret(sodium, bytes, keyPair(), { projectId, name: asked }));
}

// Providers repeat keys in their errors, whole or in part. Of a text that goes
// to people, every run of 8 characters that the secret has as well is taken out.

const RUN = 8;
const MOST = 300;
const GONE = '[redacted]';

function spellings(secret) {
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''), Buffer.from(secret).toString('hex')];
}

export function redact(text, secrets) {
  const runs = new Map();       // lower-case run → length
  for (const spelling of secrets.flatMap(spellings)) {
    const lower = spelling.toLowerCase();
    const length = Math.min(RUN, lower.length);
    for (let i = 0; length > 0 && i + length <= lower.length; i++) runs.set(lower.slice(i, i + length), length);
  }
  const lengths = new Set(runs.values());
  // one position of the text is one character of lower, also where a case has another length
  const lower = Array.from({ length: text.length }, (_, i) => {
    const character = text[i].toLowerCase();
    return character.length === 1 ? character : text[i];
  }).join('');
  const hidden = new Array(text.length).fill(false);
  for (let i = 0; i < lower.length; i++) {
    for (const length of lengths) {
      if (runs.has(lower.slice(i, i + length))) hidden.fill(true, i, i + length);
    }
  }
  let shown = '';
  for (let i = 0; i < text.length; i++) {
    if (!hidden[i]) shown += text[i];
    else if (i === 0 || !hidden[i - 1]) shown += GONE;
  }
  // eslint-disable-next-line no-control-regex
  shown = shown.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
  return shown.length > MOST ? `${shown.slice(0, MOST)}…` : shown;
}

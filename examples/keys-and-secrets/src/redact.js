// Providers repeat keys in what they answer, whole or in part. Of a text that
// goes to people, every run of 8 characters that a secret has as well is taken out.

const RUN = 8;
const MOST = 300;
const GONE = '[redacted]';

// On one line, and without what nobody sees: it would part a key for the
// comparison and not for the reader.
function clean(text) {
  return text.replace(/(?!\s)[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]|\ufeff/gu, '').replace(/\s+/g, ' ').trim();
}

// In base64 a text looks different after 1 and 2 other bytes, as in
// base64("user:" + key). The first characters, which have bits of those, are left out.
function base64Spellings(secret) {
  return [[0, 0], [1, 2], [2, 3]].flatMap(([before, mixed]) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    return ['base64', 'base64url'].map((alphabet) => bytes.toString(alphabet).replace(/=+$/, '').slice(mixed));
  });
}

function spellings(secret) {
  return [clean(secret), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('hex'), ...base64Spellings(secret)];
}

// A function that takes the secrets out of a text
export function redactor(secrets) {
  const runs = new Set();       // in lower case
  for (const spelling of secrets.flatMap(spellings)) {
    const lower = spelling.toLowerCase();
    const length = Math.min(RUN, lower.length);
    for (let i = 0; length > 0 && i + length <= lower.length; i++) runs.add(lower.slice(i, i + length));
  }
  const lengths = new Set(Array.from(runs, ({ length }) => length));
  return (text) => redact(clean(text), runs, lengths);
}

function redact(text, runs, lengths) {
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
  return shown.length > MOST ? `${shown.slice(0, MOST)}…` : shown;
}

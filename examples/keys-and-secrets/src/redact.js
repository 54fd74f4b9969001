// Providers repeat keys in what they answer, whole or in part. Of a text that
// goes to people, every run of 8 characters that a secret has as well is taken out.
//
// Only what could be a key is. Servers without keys are given words in their place,
// such as "ollama" or "test", and keys can have words in them: "latest" is still
// shown then, unless it is how the key begins. A secret that is nothing but such words
// goes where it stands alone.

const RUN = 8;
const GONE = '[redacted]';

// What names are made of: words, years and versions, and the like of 4o, v2, 70B and Qwen4
const NAME_PART = /^([a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|[0-9]{1,8}|[a-zA-Z]{1,2}[0-9]{1,3}|[A-Z]?[a-z]{1,5}[0-9]|[0-9]{1,3}[a-zA-Z]{1,2})$/;

const isNameLike = (text) => text.split(/[-_./:@ ]+/).every((part) => part === '' || NAME_PART.test(part));

// Without what nobody sees: it would part a key for the comparison and not for the
// reader.
function clean(text) {
  return text.replace(/(?!\s)[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]|\ufeff/gu, '');
}

const onOneLine = (text) => text.replace(/\s+/g, ' ').trim();

// In base64 a text looks different after 1 and 2 other bytes, as in
// base64("user:" + key). The first characters, which have bits of those, are left out.
function base64Spellings(secret) {
  return [[0, 0], [1, 2], [2, 3]].flatMap(([before, mixed]) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    return ['base64', 'base64url'].map((alphabet) => bytes.toString(alphabet).replace(/=+$/, '').slice(mixed));
  });
}

const inJson = (secret) => JSON.stringify(secret).slice(1, -1);

const asCodes = (secret, code) => secret.replace(/[^A-Za-z0-9_.-]/g, (character) => code(character.charCodeAt(0)));

function spellings(secret) {
  const percent = encodeURIComponent(secret);
  return [secret, percent, encodeURIComponent(percent), percent.replaceAll('%20', '+'),
    inJson(secret), inJson(inJson(secret)), inJson(secret).replaceAll('/', '\\/'),
    asCodes(secret, (code) => `\\u${code.toString(16).padStart(4, '0')}`),
    asCodes(secret, (code) => `&#${code};`), asCodes(secret, (code) => `&#x${code.toString(16)};`),
    secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
    Buffer.from(secret).toString('hex'), ...base64Spellings(secret)];
}

// Runs in lower case, and whether a secret begins with them
function runsOf(secrets) {
  const runs = new Map();
  for (const spelling of secrets.flatMap(spellings)) {
    const lower = spelling.toLowerCase();
    const length = Math.min(RUN, lower.length);
    for (let i = 0; length > 0 && i + length <= lower.length; i++) {
      const run = lower.slice(i, i + length);
      runs.set(run, i === 0 || runs.get(run) === true);
    }
  }
  return runs;
}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

// Where a word stands alone, and not as a part of a name like test/latest or test:8b
const alone = (word) => new RegExp(`(?<![\\w./-])${escaped(word)}(?![\\w/:-]|\\.\\w)`, 'gi');

// The places of a text that are in runs: { from, to, isStart }
function stretches(text, runs, lengths) {
  // one position of the text is one character of lower, also where a case has another length
  const lower = Array.from({ length: text.length }, (_, i) => {
    const character = text[i].toLowerCase();
    return character.length === 1 ? character : text[i];
  }).join('');
  const found = [];
  for (let i = 0; i < lower.length; i++) {
    for (const length of lengths) {
      const isStart = runs.get(lower.slice(i, i + length));
      if (isStart === undefined) continue;
      const last = found.at(-1);
      if (last === undefined || i > last.to) found.push({ from: i, to: i + length, isStart });
      else Object.assign(last, { to: Math.max(last.to, i + length), isStart: last.isStart || isStart });
    }
  }
  return found;
}

function withoutRuns(text, runs, lengths) {
  let shown = '';
  let end = 0;
  for (const { from, to, isStart } of stretches(text, runs, lengths)) {
    if (!isStart && isNameLike(text.slice(from, to))) continue;
    shown += text.slice(end, from) + GONE;
    end = to;
  }
  return shown + text.slice(end);
}

// A function that takes the secrets out of a text. It makes one line of it, unless
// lines are to stay, and cuts off what is too long.
export function redactor(secrets) {
  const cleaned = secrets.map((secret) => onOneLine(clean(secret))).filter((secret) => secret !== '');
  const words = cleaned.filter(isNameLike).map(alone);
  const runs = runsOf(cleaned.filter((secret) => !isNameLike(secret)));
  const lengths = new Set(Array.from(runs.keys(), ({ length }) => length));
  return (whole, { most = 300, lines = false } = {}) => {
    const text = clean(whole.slice(0, 20 * most));    // looking through megabytes takes long
    const given = lines ? text.trim() : onOneLine(text);
    const shown = words.reduce((rest, word) => rest.replace(word, GONE), withoutRuns(given, runs, lengths));
    return shown.length > most ? `${shown.slice(0, most)}…` : shown;
  };
}

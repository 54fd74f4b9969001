// What the database refuses, in words for who fills in a form: no arguments, functions,
// settings or roles of PostgreSQL. What is not here is shown as the database says it,
// without what only programmers can use.

const BASE_URL_HELP = 'A model in your own network has to be admitted first, by who runs this platform.';

// Of the whole of a message; the texts take what its groups have.
const WORDS = [
  [/^key_value is a key of another provider$/, () => 'This is a key of another provider. Change the provider, or paste a key of this one.'],
  [/^key_value is a platform key or run ticket/, () => 'This is a key of this platform. Paste one that the provider of the models has issued.'],
  [/^key_value is (a JSON document|a certificate or private key in PEM)/, (what) => `This is ${what}, not a key. Keep it as a project secret, or paste only the key that is in it.`],
  [/^key_value is a URL, not only a key$/, () => 'This is an address with a key in it. Paste only the key.'],
  [/^key_value is too (short|long)$/, (how) => `The key is too ${how}: keys have 4 to 8192 characters.`],
  [/^base URL must use https$/, () => `The base URL must begin with https://. ${BASE_URL_HELP}`],
  [/^base URL must name a public host$/, () => `The base URL must name a host that is public on the internet. ${BASE_URL_HELP}`],
  [/^base URL must not name the metadata service/, () => 'The base URL names a service that gives credentials to whoever asks. It is never admitted.'],
  [/^this provider needs a base URL$/, () => 'This provider needs a base URL: the address of your own endpoint there.'],
  [/^this provider takes no base URL$/, () => 'This provider takes no base URL. Leave it empty, or choose the provider “OpenAI-compatible”.'],
  [/^the sealed box does not open/, () => 'The value was sealed too long ago, or something was changed meanwhile. Send it once more.'],
  [/^"(\w+)" in (?:options|changes) (does not have 1 to 50 elements)$/, () => 'Name 1 to 50 models, or none for all.'],
  [/^"allowed_models" in (?:options|changes) has something/, () => 'One of these is no name of a model: names have no spaces, and letters of ASCII only.'],
  [/^"\w+" in (?:options|changes) is not an integer$/, () => 'Write a whole number, like 100.'],
  [/^"\w+" in (?:options|changes) is not a point in time$/, () => 'This is no date and time.'],
  [/^user_id is that of a service account$/, () => 'Ids that begin with “sa:” are those of service accounts, which are added below the members.'],
  [/^user_id is (?:empty|too long)$/, () => 'A user id has 1 to 200 characters.'],
  [/^user_id contains control characters$/, () => 'A user id has no control characters, such as tabs.'],
  [/^name is not a valid secret name$/, () => 'A name has letters, digits and _, no digit first, and at most 128 of them.'],
  [/^version (\d+) of secret ".*" is not kept$/s, (version) => `Version ${version} is not kept any more.`],
  [/^secret ".*" not found in this project$/s, () => 'This secret is not there any more. Reload the page.'],
  [/^a platform key cannot create one that expires later than itself$/, () => 'A key makes none that outlives it, and the one that you are signed in with ends before that. Choose an earlier end.'],
  [/^must be (.+) of project "[0-9a-f-]+"$/, (role) => `For this you must be ${role} of the project. Ask one of its admins.`],
];

// By their code, where what the database says is for who writes programs
const BY_CODE = {
  TK001: 'This key is not there any more. Reload the page.',
  TK002: 'This key was deleted meanwhile. Reload the page.',
  TK003: 'This agent is not there any more, or has no key. Reload the page.',
  TK004: 'This was changed by somebody who may not, so it is not used any more. Enter it again, and tell who runs this platform.',
  TK005: 'Keys cannot be opened now: the server has no master key. Tell who runs this platform.',
  TK006: 'This cannot be opened: its master key is missing on the server. Tell who runs this platform, or enter it again.',
  TK015: 'The key is disabled, has expired, or is not for this model.',
  54000: 'The project has as many of these as it may have. Delete some that nobody needs.',
  '55P03': 'Somebody else is changing this now. Try again in a moment.',
};

const forProgrammers = /tarx_keys|superuser|\w+\(\)|\bargument\b|\bbase_url\b|\bdescribe_|_key\b/;
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

const PLAIN = [[/^key_value\b/, 'the key'], [/ in (?:options|changes)\b/, ''], [/^header "([^"]*)"/, 'the header “$1”']];
const plain = (message) => PLAIN.reduce((text, [from, to]) => text.replace(from, to), message);

// "Pass" is what a program does
const usable = (hint) => hint.split(/(?<=\.) (?=[A-Z])/).filter((part) => !forProgrammers.test(part))
  .map((part) => part.replace(/^Pass null.*$/, '').replace(/; the key itself .*$/, '.').replace(/\bpass only\b/g, 'paste only').replace(/^Pass\b/, 'Paste')).filter(Boolean).join(' ');

// A sealed value may be a secret as well, of which the database says less.
function subject(message, hint) {
  if (!message.startsWith('the sealed value')) return message;
  return message.replace('the sealed value', /\bkey\b/.test(`${message} ${hint}`) ? 'key_value' : 'the value');
}

export function inWords({ code, message: said, hint }) {
  const message = subject(said, hint);
  for (const [pattern, words] of WORDS) {
    const found = pattern.exec(message);
    if (found) return words(...found.slice(1));
  }
  if (BY_CODE[code]) return BY_CODE[code];
  const provider = (hint ?? '').replace('use the provider openai_compatible', 'choose the provider “OpenAI-compatible”');
  return [sentence(plain(message)), usable(provider)].filter(Boolean).join(' ');
}

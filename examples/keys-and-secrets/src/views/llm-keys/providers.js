// What forms know of providers: their addresses, and how their keys begin.

import { html, inProject, mark } from '../parts.js';

const TOP = 7;

function choice(view, provider, more, path) {
  return html`<li><a href="${inProject(view, path, { ...more, provider: provider.slug })}" data-dialog>${mark(provider.slug, provider.label)}<span>${provider.label}</span></a></li>`;
}

// The list to choose from, those first that most people have
export function providerChoice(view, more = {}, path = '/llm-keys/new') {
  const [first, rest] = [view.providers.slice(0, TOP), view.providers.slice(TOP)];
  return html`<ul class="providers">${first.map((provider) => choice(view, provider, more, path))}</ul>
${rest.length > 0 && html`<details class="more"><summary>More providers</summary><ul class="providers">${rest.map((provider) => choice(view, provider, more, path))}</ul></details>`}`;
}

// Those that take any host have no key that is surely wrong.
const takesAnyHost = (provider) => provider.base_url_required && provider.base_url_host_suffixes === null;

// For public/key-value.js and public/base-url.js
export function providerData(view, provider) {
  const prefixes = view.providers.flatMap(({ slug, label, key_prefixes: all }) => all.map((prefix) => [prefix, slug, label]));
  return html` data-provider="${provider.slug}" data-provider-label="${provider.label}" data-usual="${provider.default_base_url ?? ''}" data-tails="${provider.base_url_tails.join(' ')}" data-prefixes="${takesAnyHost(provider) ? '[]' : JSON.stringify(prefixes)}" data-change="${inProject(view, '/llm-keys/new')}"`;
}

export function keyHint(provider) {
  const [example] = provider.key_prefixes;
  const begins = example ? `It begins with ${example}. ` : '';
  return html`${begins}Sealed in your browser; only the database opens it.`;
}

const EXAMPLES = {
  azure_ai_foundry: 'https://name.openai.azure.com',
  openai_compatible: 'https://llm.example.com/v1',
  bedrock: 'https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1',
  ollama: 'https://ollama.example.com/v1',
  vllm: 'https://vllm.example.com/v1',
};

export function baseUrlHint({ slug, base_url_required: isRequired, base_url_host_suffixes: hosts, default_base_url: usual }) {
  const ends = hosts?.length > 0 && !isRequired ? ` The host ends in ${hosts.slice(0, 3).join(', ')}, or the like.` : '';
  if (!isRequired) return `Only for an endpoint of your own, regional or a gateway. Left empty, calls go to ${usual}.${ends}`;
  const example = EXAMPLES[slug] ? `, like ${EXAMPLES[slug]}` : '';
  return slug === 'azure_ai_foundry' ? `The address of your resource, as its portal shows it${example}.` : `The address that paths like /chat/completions are below${example}.`;
}

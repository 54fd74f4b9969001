// How agents stand: whether their keys can be used, and what to do if not.

import { mayChangeKeys } from './llm-keys/rights.js';
import { html, inProject, link } from './parts.js';

// Who may create, change, delete and run agents. Others would only be refused.
export const managesAgents = (view) => !view.isReadOnly && ['admin', 'key_manager', 'member'].includes(view.role);

const isUsable = (key) => key.status === 'ok' && key.state === 'enabled';

// Keys of a provider in the order in which runs try them
function inOrder(keys) {
  return [...keys].sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
}

const LOOKS_ONLY = 'Somebody who may change agents has to choose another.';

const choice = (view, agent, label) => link(inProject(view, `/agents/${agent.id}/edit`), label, { of: `key for ${agent.name}` });

// What to do, for who may change the key, only the agent, or neither
function advice(view, agent, href, change, ask) {
  if (!managesAgents(view)) return LOOKS_ONLY;
  if (!mayChangeKeys(view)) return html`${choice(view, agent, 'Choose another')}, or ask an admin to ${ask}.`;
  return html`<a href="${inProject(view, href)}">${change}</a>, or ${choice(view, agent, 'choose another')}.`;
}

const choose = (view, agent, label) => (managesAgents(view) ? html`${choice(view, agent, label)}, so that it can run.` : LOOKS_ONLY);

// Of one key: kind, label and todo, or undefined where there is nothing to say
function keyTrouble(view, agent, key) {
  const trouble = (kind, label, change, ask, stops = false) => ({ kind, label, stops, todo: advice(view, agent, `#key-${key.id}`, change, ask) });
  if (key.status !== 'ok') return trouble('bad', 'key does not open', 'Enter the key again', 'enter it again', true);
  if (key.state === 'disabled') return trouble('bad', 'key disabled', 'Enable the key', 'enable it', true);
  if (key.state === 'expired') return trouble('bad', 'key expired', 'Replace the key or give it a later end', 'replace it', true);
  if (key.health === 'rejected') return trouble('bad', 'key rejected', 'Replace the key', 'replace it');
  if (key.health === 'quota') return trouble('warn', 'quota used up', 'Look at the key, and add credit at its provider', 'add credit at its provider');
  if (key.health === 'cooling') return { kind: 'warn', label: 'key failed lately', todo: managesAgents(view) && 'Test the agent to see why.' };
  return undefined;
}

function providerState(view, agent) {
  const keys = inOrder(view.keys.filter(({ provider }) => provider === agent.provider));
  const usable = keys.filter(isUsable);
  const ready = usable.filter(({ health, cooling_until: until }) => health !== 'rejected' && until === null);
  const state = { provider: agent.provider, label: agent.provider_label, keys: usable, left: keys.length - usable.length };
  if (usable.length === 0) {
    const todo = advice(view, agent, '#llm-keys', `Add or enable a key of ${agent.provider_label}`, `add a key of ${agent.provider_label}`);
    return { ...state, trouble: { kind: 'bad', label: 'no usable key', stops: true, todo } };
  }
  if (ready.length === 0) return { ...state, trouble: { kind: 'warn', label: 'all keys failed lately', todo: managesAgents(view) && 'Test the agent to see why.' } };
  if (ready[0] !== usable[0]) return { ...state, next: ready[0], trouble: { kind: 'calm', label: `falls back to ${ready[0].name}` } };
  return state;
}

// { provider, label, and key or keys; trouble, where there is some }
export function stateOf(view, agent) {
  if (agent.provider !== null) return providerState(view, agent);
  if (agent.user_api_key_id === null) return { trouble: { kind: 'warn', label: 'no key', stops: true, todo: choose(view, agent, 'Choose a key') } };
  const key = view.keys.find(({ id }) => id === agent.user_api_key_id);
  if (key === undefined) return { trouble: { kind: 'bad', label: 'key deleted', stops: true, todo: choose(view, agent, 'Choose another') } };
  return { key, provider: key.provider, label: key.provider_label, trouble: keyTrouble(view, agent, key) };
}

export const canRun = (view, agent) => stateOf(view, agent).trouble?.stops !== true;

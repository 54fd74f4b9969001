// The stand-in for the LLM providers, of the settings page, until standard input
// ends; prints its URL.

import { startProvider } from '../../../examples/keys-and-secrets/demo/provider.js';

const provider = await startProvider();
console.log(provider.url);
process.stdin.on('end', () => provider.close()).resume();

import { after } from 'node:test';
import { end } from './harness.js';
for (const f of process.env.FILES.split(' ')) await import(`./${f}`);
after(end);

// What the tests in a browser share: pages of people who are signed in, and how they look.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { service, settings, tokens } from './harness.js';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.TARX_KEYS_CHROMIUM });
after(() => browser.close());

// A link that is clicked before the scripts of its page have run leads to a page in place of
// a dialog, so nothing is clicked before. Without scripts no event would end that.
export async function newContext(options) {
  const context = await browser.newContext(options);
  if (options?.javaScriptEnabled === false) return context;
  await context.addInitScript(() => {
    const untouched = new CSSStyleSheet();
    untouched.replaceSync(':root { pointer-events: none; }');
    document.adoptedStyleSheets = [untouched];
    addEventListener('DOMContentLoaded', () => { document.adoptedStyleSheets = []; });
  });
  return context;
}

export async function signInAt(page, token) {
  await page.getByLabel('Platform API key').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

// A page of somebody who is signed in, and all that goes over the wire: texts,
// and promises of texts
export async function open(user, { rest = '', project, token = tokens[user], path, ...options } = {}) {
  const context = await newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const wire = [];
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => { throw error; });
  page.on('request', (request) => wire.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`));
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() || response.request().resourceType() === 'fetch') {
      wire.push(response.text().catch(() => ''));   // a redirect has none
    }
  });
  await page.goto(service.address);
  await signInAt(page, token);
  await page.waitForURL(/\/settings/);
  await page.goto(service.address + (path ?? settings(user, rest, project)));
  wire.length = 0;
  return { page, context, wire };
}

// Everything that is in a page and its storage
export async function contents(page, context) {
  const inside = await page.evaluate(() => JSON.stringify([
    document.documentElement.outerHTML,
    [...document.querySelectorAll('input, textarea, select')].map((control) => control.value),
    { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state,
  ]));
  return inside + JSON.stringify(await context.cookies());
}

export const dialog = (page) => page.getByRole('dialog');
export const rowOf = (page, list, name) => page.getByRole('list', { name: list, exact: true }).getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
export const hasFocus = (locator) => locator.evaluate((element) => element === document.activeElement);

// Pictures are taken where test/example --pictures says.
async function picture(path, shown) {
  const directory = process.env.TARX_KEYS_SCREENSHOTS;
  if (directory) await shown.screenshot({ path: `${directory}/${path}.png`, animations: 'disabled' });
}

// One that the README has, of the whole page or of a part
export const forReadme = (name, shown) => picture(`readme/${name}`, shown);

// Does something with everything open but menus
async function unfolded(page, work) {
  const folded = await page.evaluateHandle(() => [...document.querySelectorAll('details:not([data-menu], [open])')]);
  const set = (open) => folded.evaluate((all, isOpen) => all.forEach((details) => { details.open = isOpen; }), open);
  await set(true);
  await work();
  await set(false);
}

// Accessibility problems on a page
async function problemsOf(page, rules) {
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axeSource);
  const { violations } = await page.evaluate((runOnly) => axe.run(runOnly ? { runOnly } : {}), rules);
  return violations.filter(({ impact }) => ['moderate', 'serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

// In dark, and on a phone, only the contrast is another one. A phone is held upright, and
// higher than most, to see more of what it scrolls.
const HEIGHTS = { 1280: 900, 320: 1200 };
const LOOKS = [['light', 1280, undefined], ['light', 320, []], ['dark', 1280, []], ['dark', 320, ['color-contrast']]];

// As the page is now, wide and narrow, light and dark; what names its pictures
export async function checkLook(page, what) {
  for (const [colorScheme, width, rules] of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: HEIGHTS[width] });
    // Whoever asks for no motion begins none, but what has begun goes on: from the dark
    // of the look before, colours are in between for a moment
    await page.evaluate(() => { for (const moving of document.getAnimations()) moving.finish(); });
    await unfolded(page, async () => {
      if (rules?.length !== 0) assert.deepEqual(await problemsOf(page, rules), [], `${what} at ${width}, ${colorScheme}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= width, `${what} at ${width}`);
    });
    await picture(`${what.replaceAll(/\W+/g, '-')}-${width}-${colorScheme}`, page);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize({ width: 1280, height: 800 });
}

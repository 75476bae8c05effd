'use strict';

// A Chromium that is installed already, driven by playwright-core.

const assert = require('node:assert/strict');
const { accessSync, constants } = require('node:fs');
const path = require('node:path');
const { after } = require('node:test');
const { packages } = require('./harness.js');

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The Chromium that CHROMIUM names, or else that of this machine. */
function executable() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const directories = ['/usr/bin', ...(process.env.PATH ?? '').split(path.delimiter)];
  const candidates = directories.flatMap((directory) => names.map((name) => path.join(directory, name)));
  const found = process.env.CHROMIUM || candidates.find(isExecutable);
  assert.ok(found, 'no Chromium: install it (on Debian: apt-get install chromium), or name its path in CHROMIUM');
  return found;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

let launched;

/** One browser for a file of tests, started by the first that needs it. `family` has playwright-core among its packages. */
function browser(family) {
  const { chromium } = packages(family)('playwright-core');
  launched ??= chromium.launch({ executablePath: executable(), args: FLAGS });
  return launched;
}

after(async () => (await launched)?.close());

module.exports = { browser };

'use strict';

// A real Chromium, and people who sit before it: each has a page of their own and uses it as people do.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { browser } = require('../chromium.js');
const { Server } = require('../harness.js');

const SCREENSHOTS = path.join(__dirname, '..', '..', '..', 'target', 'interop', 'page', 'screenshots');
/** What Chromium itself says of a socket that cannot be opened; the page cannot keep it from that. */
const REFUSED = /^WebSocket connection to '\S+' failed: /;

/** A test with people before pages, which are closed before their server is. */
function pageTest(name, body) {
  test(name, async (t) => {
    const people = [];
    const open = async (server, options) => {
      const person = await Person.open(server, options);
      people.push(person);
      return person;
    };
    try {
      await body(t, open);
    } finally {
      await Promise.all(people.map((person) => person.page.context().close()));
    }
    people.forEach((person) => person.assertQuiet());
  });
}

/** Somebody with a page open. */
class Person {
  complaints = [];

  /** Opens a server's page in a context of its own. `prepare` gets the page before it is loaded. */
  static async open(server, { prepare, ...options } = {}) {
    const context = await (await browser('page')).newContext({ viewport: { width: 1200, height: 860 }, ...options });
    const person = new Person(await context.newPage(), server.url);
    await prepare?.(person.page);
    await person.page.goto(server.url);
    return person;
  }

  constructor(page, url) {
    this.page = page;
    this.next = page.locator('#next');
    this.notice = page.locator('#notice');
    this.chats = page.getByRole('article');
    const { host } = new URL(url);
    const isOurs = (address) => address.startsWith('data:') || new URL(address).host === host;
    const complain = (text) => this.complaints.push(text);
    page.on('console', (message) => message.type() === 'log' || complain(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complain(`uncaught: ${error.stack}`));
    page.on('request', (request) => isOurs(request.url()) || complain(`request: ${request.url()}`));
    page.on('websocket', (socket) => isOurs(socket.url()) || complain(`socket: ${socket.url()}`));
  }

  /** No error, no breach of the policy, which is an error in the console too, and no other host. */
  assertQuiet() {
    assert.deepEqual(this.complaints, []);
  }

  /** From now on the server may be away, of which Chromium complains. */
  expectOutage() {
    const { complaints } = this;
    this.assertQuiet = () => {
      const others = complaints.filter((text) => !REFUSED.test(text.replace(/^error: /, '')));
      assert.deepEqual(others, []);
    };
  }

  /** Waits until an element's text is this, or matches this. */
  async sees(locator, expected) {
    const element = typeof locator === 'string' ? this.page.locator(locator) : locator;
    const matches = (text) => (expected instanceof RegExp ? expected.test(text) : text === expected);
    await eventually(async () => {
      const text = (await element.innerText()).replace(/\s+/g, ' ').trim();
      assert.ok(matches(text), `${expected} is expected to be shown, and it is: ${text}`);
    });
  }

  async connected() {
    await this.sees('#connection', 'Connected');
  }

  /** Comes on line as a teacher or a student. */
  async be(role, id) {
    await this.connected();
    await this.page.getByLabel('Your id').fill(id);
    await this.page.getByRole('button', { name: `Be a ${role}` }).click();
    await this.sees('#user-heading', `${role === 'teacher' ? 'Teacher' : 'Student'} ${id}`);
  }

  /** Waits until somebody waits, and takes the first in the queue. */
  async claim(other) {
    await this.sees(this.notice, /^\d+ students? (is|are) waiting\.$/);
    await this.next.click();
    await this.talking(other);
  }

  /** The chat with somebody, by the name in its heading. */
  chat(other) {
    return this.chats.filter({ has: this.page.getByRole('heading', { name: other, exact: true }) });
  }

  async talking(other) {
    await this.sees(this.chat(other).locator('.state'), 'talking');
  }

  /** Sends a message that may end the chat at once, and its line with it. */
  async writeLast(other, text) {
    const input = this.chat(other).getByRole('textbox');
    await input.fill(text);
    await input.press('Enter');
    return input;
  }

  async write(other, text) {
    const input = await this.writeLast(other, text);
    assert.equal(await input.inputValue(), '', 'the line is free for the next message');
  }

  /** Waits until somebody's message is the last in the chat. */
  async reads(other, text) {
    await this.sees(this.chat(other).locator('.log p').last(), `${other}: ${text}`);
  }

  async ended(other) {
    await this.sees(this.chat(other).locator('.state'), 'over');
  }

  /** The number that a figure shows. */
  async figure(label, expected) {
    const figure = this.page.locator('.figure').filter({ has: this.page.getByRole('heading', { name: label, exact: true }) });
    await this.sees(figure.locator('.number'), expected);
  }

  /** What has the keyboard's focus, by its accessible name or its text. */
  focused() {
    return this.page.evaluate(() => {
      const { ariaLabel, labels, textContent } = document.activeElement;
      return ariaLabel ?? labels?.[0]?.textContent ?? textContent;
    });
  }

  async screenshot(name) {
    await this.page.evaluate(() => scrollTo(0, 0));
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}

/** Tries until an assertion holds, or gives its error when patience is at an end. */
async function eventually(assertion) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

module.exports = { Server, eventually, pageTest };

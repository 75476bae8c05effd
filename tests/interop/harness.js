'use strict';

// What every family of clients needs: a server of its own for each test, and waits that end.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createRequire } = require('node:module');
const path = require('node:path');
const readline = require('node:readline');

const TARGET = path.join(__dirname, '..', '..', 'target');
const BINARY = path.join(TARGET, 'release', 'mio-chat-server');

/** Far more than anything here takes: it is there to end a test that waits in vain. */
const PATIENCE = 10_000;

// A test file that is told to stop leaves by way of its exit handlers, which take the servers down.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(1));
}

/** A `require` that finds the packages installed for a family of clients. */
function packages(family) {
  return createRequire(path.join(TARGET, 'interop', family, 'package.json'));
}

/** What the promise gives, or an error that says what did not come. */
async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE / 1000} s for ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that come in, and can be waited for: first come, first taken. */
class Inbox {
  constructor(what) {
    this.what = what;
    this.items = [];
    this.waiters = [];
  }

  put(item) {
    const index = this.waiters.findIndex((waiter) => waiter.matches(item));
    if (index < 0) {
      this.items.push(item);
    } else {
      this.waiters.splice(index, 1)[0].resolve(item);
    }
  }

  /** Takes the first item that matches, as soon as there is one. */
  take(matches = () => true, what = this.what) {
    const index = this.items.findIndex(matches);
    if (index >= 0) {
      return Promise.resolve(this.items.splice(index, 1)[0]);
    }
    return within(new Promise((resolve) => this.waiters.push({ matches, resolve })), what);
  }
}

class Server {
  /** Starts a server that is gone when the test is over, on a free port unless told. */
  static async start(t, ...flags) {
    // Nothing of the environment: it could hold the server's own options.
    const child = spawn(BINARY, ['--port', '0', ...flags], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] });
    const server = new Server(child);
    t.after(() => server.stop());
    await within(server.ready, 'the line with the address of the server');
    return server;
  }

  constructor(child) {
    this.child = child;
    this.log = [];
    this.exited = once(child, 'exit').then(([code, signal]) => code ?? signal);
    this.exited.catch(() => {});
    this.ready = new Promise((resolve, reject) => {
      readline.createInterface({ input: child.stderr }).on('line', (line) => {
        this.log.push(line);
        const address = / listens on (http:\S+)/.exec(line);
        if (address) {
          this.url = address[1];
          resolve();
        }
      });
      this.exited.then(
        (code) => reject(new Error(`the server left with ${code}: ${this.log.join('\n')}`)),
        (error) => reject(new Error(`the server did not start: ${error.message}`)),
      );
    });
    this.kill = () => child.kill('SIGKILL');
    process.once('exit', this.kill);
  }

  get port() {
    return new URL(this.url).port;
  }

  /** Asks the server to stop, as an operator does, and waits until it has, without complaint. */
  async stop() {
    this.child.kill('SIGTERM');
    try {
      const code = await within(this.exited, 'the server to stop after SIGTERM');
      if (code !== 0) {
        throw new Error(`the server left with ${code}: ${this.log.join('\n')}`);
      }
    } finally {
      this.kill();
      process.off('exit', this.kill);
    }
  }

  /** The snapshot that `GET /` shows now. */
  async snapshot() {
    const response = await within(fetch(this.url), 'GET /');
    if (response.status !== 200) {
      throw new Error(`GET / is ${response.status}`);
    }
    return response.json();
  }
}

module.exports = { Inbox, Server, packages, within };

'use strict';

// socket.io-client on a page of another origin, as it is where nothing but scripts and forms crosses origins.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { test } = require('node:test');
const { browser } = require('./chromium.js');
const { Server, packages, within } = require('./harness.js');

const VERSIONS = ['1.4', '1.7', '2.5', '3.1'];
const MESSAGES = [
  'plain',
  'a\nb\\nc\\\nd\r\n\\\\n',
  'Grüße, 你好, 👩‍🏫 "quoted" \\ / \u0000 \u2028\u2029 </script> %20 +&=',
  'long '.repeat(2000),
];

/** A page of an origin of its own that loads this version. */
async function open(t, version) {
  const directory = packages('socket.io').resolve(`socket.io-client-${version}/package.json`).replace('package.json', '');
  const script = readFileSync(directory + (version === '1.4' ? 'socket.io.js' : 'dist/socket.io.js'));
  const site = createServer((request, response) => {
    const isScript = request.url === '/client.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? script : '<!doctype html><title>A shop</title><body><script src="/client.js"></script>');
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => site.close());
  const context = await (await browser('socket.io')).newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  return page;
}

/** In the page: a teacher and a student chat, each with a client of its own; gives what each has received. */
async function converse({ url, messages, transports }) {
  const connect = async () => {
    const socket = window.io(url, { forceNew: true, forceJSONP: true, transports });
    const { j: index } = socket.io.engine.transport.query;
    await new Promise((resolve) => socket.once('connect', resolve));
    return Object.assign(socket, { index });
  };
  const next = (socket, event) => new Promise((resolve) => socket.once(event, resolve));
  const call = (socket, event, data) => new Promise((resolve) => socket.emit(event, data, resolve));
  const [teacher, student] = [await connect(), await connect()];
  // From revision 5 on a client connects behind a round trip of its own, and may be upgraded by then.
  const upgraded = ({ io: { engine } }) => engine.transport.name === transports.at(-1) || next(engine, 'upgrade');
  const upgrades = [teacher, student].map(upgraded);
  await call(teacher, 'presence:teacher:connect', { userId: 1, role: 'teacher' });
  await call(student, 'presence:student:connect', { userId: 2, role: 'student' });
  const chats = [next(teacher, 'presence:new_chat:teacher:1'), next(student, 'presence:new_chat:student:2')];
  teacher.emit('presence:claim_student', { teacherId: 1 });
  const [at, same] = await Promise.all(chats);
  const ready = next(teacher, at.readyChannel);
  teacher.emit(at.joinedChannel, { chatId: at.id, userId: 1 });
  student.emit(same.joinedChannel, { chatId: at.id, userId: 2 });
  await ready;
  const received = [];
  for (const message of messages) {
    const heard = [next(student, same.receiveChannel), next(teacher, at.receiveChannel)];
    teacher.emit(at.sendChannel, { chatId: at.id, message });
    student.emit(same.sendChannel, { chatId: at.id, message });
    received.push(...(await Promise.all(heard)).map((data) => data.message));
  }
  await Promise.all(upgrades);
  const ended = next(student, same.terminatedChannel);
  teacher.emit(at.terminateChannel, { chatId: at.id, message: 'bye' });
  await ended;
  const indices = [teacher, student].map((socket) => socket.index);
  const last = [teacher, student].map((socket) => socket.io.engine.transport.name);
  [teacher, student].forEach((socket) => socket.disconnect());
  return { received, indices, last };
}

for (const version of VERSIONS) {
  for (const transports of [['polling'], ['polling', 'websocket']]) {
    test(`JSONP, ${transports.join(' then ')}: socket.io-client ${version}`, async (t) => {
      const server = await Server.start(t);
      const page = await open(t, version);
      const types = new Set();
      page.on('response', (response) => types.add(response.request().resourceType()));
      const conversation = page.evaluate(converse, { url: server.url, messages: MESSAGES, transports });
      const { received, indices, last } = await within(conversation, 'the end of the conversation');
      assert.deepEqual(received, MESSAGES.flatMap((message) => [message, message]));
      assert.deepEqual(indices, [0, 1], 'the index of each in ___eio');
      assert.deepEqual(last, Array(2).fill(transports.at(-1)));
      // A form that is posted is a document in its frame. After an upgrade nothing is posted.
      const expected = transports.length > 1 ? ['script'] : ['script', 'document'];
      assert.ok(expected.every((type) => types.has(type)) && !types.has('xhr'), [...types].join());
    });
  }
}

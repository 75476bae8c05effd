'use strict';

// socket.io-client in its versions, and the users that it serves: teachers and students.

const assert = require('node:assert/strict');
const { Inbox, packages } = require('../harness.js');

const load = packages('socket.io');

const VERSIONS = ['1.4', '1.7', '2.5', '3.1', '4.8'].map((number) => ({
  number,
  io: load(`socket.io-client-${number}`),
  // 1.4 to 2.x keep these for themselves: what is emitted by that name does not go out.
  reservesPing: number < '3',
}));

/** `undefined` is what a client does unless told: polling first, then a WebSocket. */
const TRANSPORTS = [['websocket'], undefined, ['polling']];

const WAYS = VERSIONS.flatMap((version) =>
  TRANSPORTS.map((transports) => ({
    ...version,
    transports,
    name: `socket.io-client ${version.number}, ${transports?.[0] ?? 'polling then websocket'}`,
  })),
);

/** A client of its own connection that reconnects without delay, and remembers the events it is to hear. */
class Client {
  constructor(t, way, server, options = {}) {
    this.way = way;
    this.inboxes = new Map();
    this.socket = way.io(server.url, {
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 50,
      ...(way.transports && { transports: way.transports }),
      ...options,
    });
    t.after(() => this.close());
    for (const event of ['connect', 'disconnect', 'presence:status', 'chat:error']) {
      this.listen(event);
    }
  }

  static async connect(t, way, server, options) {
    const client = new Client(t, way, server, options);
    await client.next('connect');
    return client;
  }

  get engine() {
    return this.socket.io.engine;
  }

  /** Closes, and does not try again: old versions go on if the server went first. */
  close() {
    this.socket.io.reconnection(false);
    this.socket.disconnect();
    // From 3 on, a disconnect is all that it takes.
    this.socket.io.close?.();
  }

  listen(event) {
    if (!this.inboxes.has(event)) {
      const inbox = new Inbox(`${event} at ${this.way.name}`);
      this.inboxes.set(event, inbox);
      this.socket.on(event, (data) => inbox.put(data));
    }
  }

  next(event, matches) {
    return this.inboxes.get(event).take(matches);
  }

  emit(event, data) {
    this.socket.emit(event, data);
  }

  /** Emits, and gives the acknowledgement. */
  call(event, data) {
    const inbox = new Inbox(`the acknowledgement of ${event} at ${this.way.name}`);
    this.socket.emit(event, data, (answer) => inbox.put(answer));
    return inbox.take();
  }

  async callOk(event, data) {
    assert.deepEqual(await this.call(event, data), { status: 'ok' }, event);
  }

  /** Waits until the WebSocket has taken over, if it is to. */
  async upgraded() {
    if (this.way.transports || this.engine.transport.name === 'websocket') {
      return;
    }
    const inbox = new Inbox(`the upgrade of ${this.way.name}`);
    this.engine.once('upgrade', (transport) => inbox.put(transport.name));
    assert.equal(await inbox.take(), 'websocket');
  }

  /** What came in of those events and nobody has taken. */
  untaken(...events) {
    return events.flatMap((event) => this.inboxes.get(event).items);
  }
}

/** A user on a client that may have many, and the chat that came last. */
class User {
  constructor(client, id, role) {
    Object.assign(this, { client, id, role });
    this.newChat = `presence:new_chat:${role}:${id}`;
    client.listen(this.newChat);
  }

  /** Comes on line: a teacher on the roster, a student in the queue. */
  static async arrive(client, id, role) {
    const user = new User(client, id, role);
    await client.callOk(`presence:${role}:connect`, { userId: id, role });
    return user;
  }

  /** Takes the chat that the server names, with the names that it gives. */
  async open() {
    const chat = (this.chat = await this.client.next(this.newChat));
    [chat.receiveChannel, chat.terminatedChannel, chat.readyChannel].filter(Boolean).forEach((channel) => {
      this.client.listen(channel);
    });
    return chat;
  }

  enter() {
    this.client.emit(this.chat.joinedChannel, { chatId: this.chat.id, userId: this.id });
  }

  send(data) {
    this.client.emit(this.chat.sendChannel, { chatId: this.chat.id, ...data });
  }

  receive() {
    return this.client.next(this.chat.receiveChannel);
  }

  terminated() {
    return this.client.next(this.chat.terminatedChannel);
  }
}

/** Brings the student who waits to the teacher; both enter their chat. */
async function meet(teacher, student) {
  teacher.client.emit('presence:claim_student', { teacherId: teacher.id });
  const [chat, same] = await Promise.all([teacher.open(), student.open()]);
  assert.equal(chat.id, same.id);
  student.enter();
  teacher.enter();
  assert.deepEqual(await teacher.client.next(chat.readyChannel), {});
  return chat;
}

module.exports = { Client, User, VERSIONS, WAYS, meet };

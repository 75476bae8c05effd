'use strict';

// faye in its versions and CometD, behind one face, and the users that they serve: teachers and students.

const assert = require('node:assert/strict');
const { pathToFileURL } = require('node:url');
const { Inbox, Server, packages, within } = require('../harness.js');

const load = packages('bayeux');
const WebSocket = load('ws');
const Phoenix = load('phoenix-1.8');

/** Both packages are modules of the newer kind, which only `import` takes; ready before any test. */
const cometd = Promise.all(
  ['cometd', 'cometd-nodejs-client'].map((name) => import(pathToFileURL(load.resolve(name)))),
);

/** Waits for what shows only by looking. */
async function eventually(isSo, what) {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A server and a way to get clients at it, which are closed before the server is. */
async function begin(t) {
  const clients = [];
  t.after(() => Promise.all(clients.map((client) => client.close())));
  const server = await Server.start(t);
  const open = async (kind) => {
    const client = await kind.open(server);
    clients.push(client);
    return client;
  };
  return { server, open };
}

/** A client that knows the words of all versions: subscribe, publish, disconnect. */
class FayeClient {
  constructor(version, server, transport) {
    this.name = `faye ${version} (${transport})`;
    this.faye = new (load(`faye-${version}`).Client)(`${server.url}/faye`, { retry: 0.1 });
    if (transport === 'long-polling') {
      this.faye.disable('websocket');
    }
    this.downs = new Inbox(`${this.name} to notice that its server is gone`);
    this.faye.on('transport:down', () => this.downs.put('down'));
  }

  /** The transport that is in use, once the client has connected. */
  get transport() {
    return (this.faye._dispatcher?._transport ?? this.faye._transport).connectionType;
  }

  get id() {
    return this.faye._dispatcher?.clientId ?? this.faye._clientId;
  }

  subscribe(channel, inbox) {
    // A promise of faye's only: it has `then` and, in the oldest version, nothing else.
    const subscription = this.faye.subscribe(channel, (data) => inbox.put(data));
    return this.settled(subscription, `the subscription to ${channel}`);
  }

  publish(channel, data) {
    return this.settled(this.faye.publish(channel, data), `the reply to a publication on ${channel}`);
  }

  settled(promise, what) {
    const result = new Promise((resolve, reject) => {
      promise.then(resolve, ({ code, params, message }) => {
        reject(new Error(code ? `${code}:${params.join(',')}:${message}` : message));
      });
    });
    return within(result, `${what} at ${this.name}`);
  }

  disconnect() {
    this.faye.disconnect();
  }

  /** Waits until the server has heard of it: faye tries for ever, and that would keep the process. */
  async close() {
    this.disconnect();
    const isOver = () => this.faye._state !== 3 || !(this.faye._dispatcher ?? this.faye)._transport;
    await eventually(isOver, `${this.name} to be disconnected`);
  }
}

class CometdClient {
  static async open(server, transport) {
    const client = new CometdClient();
    client.name = `cometd (${transport})`;
    const [{ CometD }, { adapt }] = await cometd;
    adapt();
    client.cometd = new CometD();
    for (const type of client.cometd.getTransportTypes()) {
      if (transport !== 'default' && type !== transport) {
        client.cometd.unregisterTransport(type);
      }
    }
    client.cometd.configure({ url: `${server.url}/faye`, logLevel: 'error', backoffIncrement: 100, maxBackoff: 100 });
    client.subscriptions = [];
    client.downs = new Inbox(`${client.name} to notice that its server is gone`);
    client.cometd.addListener('/meta/connect', ({ successful }) => successful || client.downs.put('down'));
    // CometD leaves it to its user to subscribe again after it has shaken hands again.
    client.cometd.addListener('/meta/handshake', ({ successful }) => {
      if (successful) {
        client.subscriptions.forEach(([channel, inbox]) => client.listen(channel, inbox));
      }
    });
    const shaken = await within(new Promise((done) => client.cometd.handshake(done)), 'the handshake of CometD');
    assert.equal(shaken.successful, true, JSON.stringify(shaken));
    return client;
  }

  get transport() {
    return this.cometd.getTransport().type;
  }

  get id() {
    return this.cometd.getClientId();
  }

  listen(channel, inbox, answer) {
    // Until its subscription is refused, CometD calls a listener to `/**` also with replies, which have no data. What
    // the server delivers on a channel always has, and only that is delivered by CometD.
    this.cometd.subscribe(channel, ({ data }) => data === undefined || inbox.put(data), answer);
  }

  async subscribe(channel, inbox) {
    const reply = new Promise((answer) => this.listen(channel, inbox, answer));
    await this.settled(reply, `the subscription to ${channel}`);
    this.subscriptions.push([channel, inbox]);
  }

  publish(channel, data) {
    const reply = new Promise((answer) => this.cometd.publish(channel, data, answer));
    return this.settled(reply, `the reply to a publication on ${channel}`);
  }

  async settled(reply, what) {
    const { successful, error } = await within(reply, `${what} at ${this.name}`);
    if (!successful) {
      throw new Error(error);
    }
  }

  disconnect() {
    this.cometd.disconnect();
  }

  async close() {
    this.disconnect();
    await eventually(() => this.cometd.isDisconnected(), `${this.name} to be disconnected`);
  }
}

/** A client on phoenix.js that has the same words for the same things. */
class PhoenixClient {
  constructor(server) {
    this.name = 'phoenix 1.8';
    this.socket = new Phoenix.Socket(`${server.url.replace('http:', 'ws:')}/ws`, { transport: WebSocket });
    this.socket.connect();
  }

  close() {
    this.socket.disconnect();
  }

  /** Joins a topic and hears these events in it. */
  async join(topic, params, events) {
    const channel = this.socket.channel(topic, params);
    const inboxes = events.map((event) => {
      const inbox = new Inbox(`${event} at ${this.name}`);
      channel.on(event, (payload) => inbox.put(payload));
      return inbox;
    });
    const joined = new Promise((ok, error) => channel.join().receive('ok', ok).receive('error', error));
    await within(joined, `the reply to the join of ${topic}`);
    return [channel, ...inboxes];
  }
}

/** Every client and every transport that it can be held to in Node. */
const CLIENTS = [
  ...['1.0', '1.1', '1.2', '1.3', '1.4'].flatMap((version) =>
    [
      ['default', 'websocket'],
      ['long-polling', 'long-polling'],
    ].map(([setting, transport]) => ({
      name: `faye ${version}, ${setting}`,
      transport,
      family: 'faye',
      open: async (server) => new FayeClient(version, server, setting),
    })),
  ),
  ...[
    ['default', 'websocket'],
    ['websocket', 'websocket'],
    ['long-polling', 'long-polling'],
  ].map(([setting, transport]) => ({
    name: `cometd 8, ${setting}`,
    transport,
    family: 'cometd',
    open: (server) => CometdClient.open(server, setting),
  })),
];

const PHOENIX = { name: 'phoenix 1.8', open: async (server) => new PhoenixClient(server) };

/** A user, on a client that may be others' as well. */
class User {
  constructor(client, id, role) {
    this.client = client;
    this.id = id;
    this.role = role;
    this.newChats = new Inbox(`a new chat for ${role} ${id} at ${client.name}`);
    this.statuses = new Inbox(`a status for ${role} ${id} at ${client.name}`);
  }

  /** Comes on line: a teacher on the roster, a student in the queue. */
  static async arrive(client, id, role) {
    const user = new User(client, id, role);
    if (role === 'teacher') {
      await client.subscribe('/presence/status', user.statuses);
    }
    await client.subscribe(`/presence/new_chat/${role}/${id}`, user.newChats);
    await user.connect();
    return user;
  }

  connect() {
    return this.client.publish(`/presence/${this.role}/connect`, { userId: this.id, role: this.role });
  }

  /** Waits for a status whose students match. */
  status(students) {
    const matches = (status) => Object.entries(students).every(([key, count]) => status.students[key] === count);
    return this.statuses.take(matches);
  }

  claim() {
    return this.client.publish('/presence/claim_student', { teacherId: this.id });
  }

  /** Enters the chat that is offered next. */
  async enter() {
    const chat = await this.newChats.take();
    const at = `for ${this.role} ${this.id} at ${this.client.name}`;
    this.chat = {
      ...chat,
      readyChannel: chat.receiveChannel.replace(/[a-z]+\/receive$/, 'ready'),
      received: new Inbox(`a message ${at}`),
      terminated: new Inbox(`the end of the chat ${at}`),
      ready: new Inbox(`the chat to be ready ${at}`),
    };
    await this.client.subscribe(this.chat.receiveChannel, this.chat.received);
    await this.client.subscribe(this.chat.terminatedChannel, this.chat.terminated);
    await this.client.subscribe(this.chat.readyChannel, this.chat.ready);
    await this.client.publish(this.chat.joinedChannel, { userId: this.id });
    return chat;
  }

  ready() {
    return this.chat.ready.take();
  }

  send(payload) {
    return this.client.publish(this.chat.sendChannel, payload);
  }

  receive() {
    return this.chat.received.take();
  }

  /** What came in for the chat and nobody has taken. */
  untaken() {
    return [this.chat.received, this.chat.terminated, this.chat.ready, this.newChats].flatMap(({ items }) => items);
  }
}

/** The same on phoenix.js. */
class PhoenixUser {
  static async arrive(client, id, role) {
    const user = Object.assign(new PhoenixUser(), { client, id, role, params: { userId: id, role } });
    const [topic, newChat] =
      role === 'teacher' ? ['presence:teachers', `new:chat:${id}`] : [`presence:student:${id}`, 'new:chat'];
    [user.presence, user.newChats, user.statuses] = await client.join(topic, user.params, [newChat, 'user:status']);
    if (role === 'student') {
      user.presence.push('student:ready', { userId: id });
    }
    return user;
  }

  status(students) {
    return User.prototype.status.call(this, students);
  }

  claim() {
    this.presence.push('claim:student', { teacherId: this.id });
  }

  async enter() {
    const chat = await this.newChats.take();
    const events = ['chat:ready', `${this.role}:receive`, 'chat:terminated'];
    const [channel, ready, received, terminated] = await this.client.join(`chats:${chat.id}`, this.params, events);
    this.chat = { channel, ready, received, terminated };
    channel.push(`${this.role}:joined`, {});
    return chat;
  }

  ready() {
    return this.chat.ready.take();
  }

  send(payload) {
    this.chat.channel.push(`${this.role}:send`, payload);
  }

  receive() {
    return this.chat.received.take();
  }
}

/** Brings the student who waits to the teacher; both enter their chat. */
async function meet(teacher, student) {
  await teacher.status({ waiting: 1 });
  await teacher.claim();
  const chats = await Promise.all([teacher.enter(), student.enter()]);
  await Promise.all([teacher.ready(), student.ready()]);
  return chats;
}

/** Some messages one way and the other, which arrive as they were sent, each once and in order. */
async function exchange(teacher, student, payloads) {
  for (const [from, to] of [
    [teacher, student],
    [student, teacher],
  ]) {
    await Promise.all(payloads.map((payload) => from.send(payload)));
    for (const payload of payloads) {
      assert.deepEqual(await to.receive(), payload);
    }
  }
}

module.exports = { CLIENTS, PHOENIX, PhoenixUser, User, begin, eventually, exchange, meet };

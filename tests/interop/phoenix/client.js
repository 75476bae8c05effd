'use strict';

// phoenix.js in its versions, and the users that it serves: teachers and students.

const assert = require('node:assert/strict');
const { Inbox, packages } = require('../harness.js');

const load = packages('phoenix');
const WebSocket = load('ws');

const VERSIONS = [
  { name: 'phoenix 1.2', vsn: '1.0.0', Socket: load('phoenix-1.2').Socket },
  { name: 'phoenix 1.8', vsn: '2.0.0', Socket: load('phoenix-1.8').Socket },
];

/** A socket of phoenix.js that reconnects and rejoins without delay, and remembers all it hears. */
class Client {
  constructor(t, version, server, options = {}) {
    this.name = version.name;
    this.topics = [];
    this.messages = new Inbox(`a frame for ${version.name}`);
    this.closes = new Inbox(`the socket of ${version.name} to close`);
    const texts = (this.texts = []);
    class Transport extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        this.on('message', (data) => texts.push(data.toString()));
      }
    }
    const delays = { reconnectAfterMs: () => 50, rejoinAfterMs: () => 50 };
    const url = `${server.url.replace('http:', 'ws:')}/ws`;
    this.socket = new version.Socket(url, { transport: Transport, ...delays, ...options });
    this.socket.onMessage((message) => this.messages.put(message));
    this.socket.onClose((event) => this.closes.put(event.code));
    t.after(() => this.close());
    this.socket.connect();
    assert.ok(this.socket.conn.url.endsWith(`/ws/websocket?vsn=${version.vsn}`), this.socket.conn.url);
  }

  /** Joins a topic, to hear these events in it. */
  join(name, params, events = []) {
    const topic = new Topic(this, name, params, events);
    this.topics.push(topic);
    return topic;
  }

  /** Loses the connection, as a cable that is pulled. */
  lose() {
    this.socket.conn.terminate();
  }

  /** Closes the socket, and stops the timers that some versions leave running. */
  close() {
    for (const topic of this.topics) {
      topic.channel.rejoinTimer.reset();
      topic.pushes.forEach((push) => push.cancelTimeout());
    }
    this.socket.reconnectTimer.reset();
    clearInterval(this.socket.heartbeatTimer);
    this.socket.disconnect();
  }
}

/** A channel of phoenix.js whose replies and events can be waited for. */
class Topic {
  constructor(client, name, params, events) {
    const at = `in ${name} at ${client.name}`;
    this.client = client;
    this.name = name;
    this.joined = new Inbox(`the reply "ok" to the join ${at}`);
    this.refused = new Inbox(`the reply "error" to the join ${at}`);
    this.events = new Map(events.map((event) => [event, new Inbox(`${event} ${at}`)]));
    this.channel = client.socket.channel(name, params);
    this.events.forEach((inbox, event) => this.channel.on(event, (payload) => inbox.put(payload)));
    const join = this.channel.join();
    join.receive('ok', (response) => this.joined.put(response));
    join.receive('error', (response) => this.refused.put(response));
    this.pushes = [join];
  }

  push(event, payload) {
    const push = this.channel.push(event, payload);
    this.pushes.push(push);
    return push;
  }

  /** Pushes what the server has to refuse, and gives its reason. */
  async refusal(event, payload) {
    const replies = new Inbox(`the reply "error" to ${event} in ${this.name} at ${this.client.name}`);
    this.push(event, payload).receive('error', (response) => replies.put(response));
    return (await replies.take()).reason;
  }

  /** The next event of that name, or the next one that matches. */
  next(event, matches) {
    return this.events.get(event).take(matches);
  }

  /** What came in and nobody has taken. */
  untaken() {
    return [...this.events].flatMap(([event, inbox]) => inbox.items.map((payload) => [event, payload]));
  }

  /** Loses the membership on the client's side only, which then rejoins. */
  async rejoin() {
    this.channel.trigger('phx_error');
    await this.joined.take();
  }

  /** Leaves, and waits for the server's reply: phoenix.js itself reports "ok" without waiting. */
  async leave() {
    const push = this.channel.leave();
    this.pushes.push(push);
    const isReply = ({ event, ref }) => event === 'phx_reply' && ref === push.ref;
    const reply = await this.client.messages.take(isReply, `the reply to the leave of ${this.name}`);
    assert.equal(reply.payload.status, 'ok');
  }
}

/** A user with a presence topic, and the chat that came last. */
class User {
  constructor(client, id, role) {
    this.client = client;
    this.id = id;
    this.role = role;
    this.params = { userId: id, role };
    const [topic, newChat] =
      role === 'teacher' ? ['presence:teachers', `new:chat:${id}`] : [`presence:student:${id}`, 'new:chat'];
    this.newChat = newChat;
    this.presence = client.join(topic, this.params, [newChat, 'user:status']);
  }

  /** Comes on line: a teacher on the roster, a student in the queue. */
  static async arrive(client, id, role) {
    const user = new User(client, id, role);
    assert.deepEqual(await user.presence.joined.take(), {});
    if (role === 'student') {
      user.presence.push('student:ready', { userId: id });
    }
    return user;
  }

  /** Waits for a status whose students match. */
  async status(students) {
    const matches = (status) => Object.entries(students).every(([key, count]) => status.students[key] === count);
    return this.presence.next('user:status', matches);
  }

  openChat(chat) {
    const events = ['chat:ready', `${this.role}:receive`, 'chat:terminated'];
    this.chat = this.client.join(`chats:${chat.id}`, this.params, events);
  }

  send(payload) {
    this.chat.push(`${this.role}:send`, payload);
  }

  receive() {
    return this.chat.next(`${this.role}:receive`);
  }
}

/** Brings the student who waits to the teacher; both enter their chat. Gives the chat as both got it. */
async function meet(teacher, student) {
  await teacher.status({ waiting: 1 });
  teacher.presence.push('claim:student', { teacherId: teacher.id });
  const [chat, same] = await Promise.all([
    teacher.presence.next(teacher.newChat),
    student.presence.next(student.newChat),
  ]);
  assert.deepEqual(same, chat);
  for (const user of [teacher, student]) {
    user.openChat(chat);
    assert.deepEqual(await user.chat.joined.take(), {});
    user.chat.push(`${user.role}:joined`, {});
  }
  assert.deepEqual(await Promise.all([teacher.chat.next('chat:ready'), student.chat.next('chat:ready')]), [{}, {}]);
  return chat;
}

module.exports = { Client, User, VERSIONS, meet };

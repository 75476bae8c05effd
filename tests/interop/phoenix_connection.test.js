'use strict';

// What becomes of a conversation when connections are idle, lost, or taken down with the server.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Inbox, Server } = require('./harness.js');
const { Client, User, VERSIONS, meet } = require('./phoenix/client.js');

/** RFC 6455: the server is going away. */
const GOING_AWAY = 1001;

for (const version of VERSIONS) {
  test(`heartbeats keep a socket that is otherwise idle: ${version.name}`, async (t) => {
    const server = await Server.start(t, '--idle-timeout', '2s');
    const beating = new Client(t, version, server, { heartbeatIntervalMs: 500 });
    await User.arrive(beating, 1, 'teacher');
    // This one came later, says no more after its join, and is closed, twice, as it reconnects.
    const idle = new Client(t, version, server);
    await User.arrive(idle, 2, 'teacher');
    assert.equal(await idle.closes.take(), GOING_AWAY);
    assert.equal(await idle.closes.take(), GOING_AWAY);

    const isHeartbeat = ({ topic, event }) => topic === 'phoenix' && event === 'phx_reply';
    for (let beats = 0; beats < 5; beats++) {
      const reply = await beating.messages.take(isHeartbeat, 'the reply to a heartbeat');
      assert.deepEqual(reply.payload, { status: 'ok', response: {} });
    }
    assert.deepEqual(beating.closes.items, []);
    assert.ok(beating.socket.isConnected());
  });

  test(`a student whose connection is lost: ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    await meet(teacher, student);
    const lost = student.chat;

    student.client.lose();
    assert.deepEqual(await teacher.chat.next('chat:terminated'), {});
    // The client comes back by itself and joins again what it had joined; the chat is over.
    await student.presence.joined.take();
    assert.deepEqual(await lost.refused.take(), { reason: 'unknown chat' });
    await lost.channel.leave();
    const { teachers, students, chats } = await server.snapshot();
    assert.deepEqual(teachers.teachers, [{ id: 1, student_ids: [] }]);
    assert.deepEqual([students.waiting, students.chatting, chats.active], [0, 0, []]);

    student.presence.push('student:ready', { userId: 2 });
    await meet(teacher, student);
    student.send({ message: 'here again' });
    assert.deepEqual(await teacher.receive(), { message: 'here again' });
  });

  test(`a teacher whose connection is lost: ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    await meet(teacher, student);

    teacher.client.lose();
    assert.deepEqual(await student.chat.next('chat:terminated'), {});
    await teacher.presence.joined.take();
    student.presence.push('student:ready', { userId: 2 });
    await meet(teacher, student);
  });

  test(`the server stops and comes back: ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    await meet(teacher, student);
    const chats = [teacher.chat, student.chat];

    student.send({ message: 'the last word' });
    assert.deepEqual(await teacher.receive(), { message: 'the last word' });
    await server.stop();
    assert.equal(await teacher.client.closes.take(), GOING_AWAY);
    assert.equal(await student.client.closes.take(), GOING_AWAY);

    const again = await Server.start(t, '--port', server.port);
    await teacher.presence.joined.take();
    await student.presence.joined.take();
    for (const chat of chats) {
      assert.deepEqual(await chat.refused.take(), { reason: 'unknown chat' });
      chat.channel.leave();
    }
    student.presence.push('student:ready', { userId: 2 });
    await meet(teacher, student);
    teacher.send({ message: 'where were we?' });
    assert.deepEqual(await student.receive(), { message: 'where were we?' });
    assert.equal((await again.snapshot()).chats.total, 1);
  });
}

test('a socket with a token, which goes as a subprotocol', async (t) => {
  const newest = VERSIONS.at(-1);
  const server = await Server.start(t);
  const client = new Client(t, newest, server, { authToken: 'secret' });
  const opened = new Inbox('the socket to open');
  client.socket.onOpen(() => opened.put(client.socket.conn.protocol));
  assert.equal(await opened.take(), 'phoenix');
  await User.arrive(client, 1, 'teacher');
});

'use strict';

// Conversations as socket.io-client has them, in all versions and by all transports.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Inbox, Server } = require('./harness.js');
const { Client, User, WAYS, meet } = require('./socket.io/client.js');

const MESSAGE = {
  message: 'Grüße, 你好, 👩‍🏫 "quoted" \\ / \u0000 \u2028',
  'extra key': [1, -2.5e-7, null, true, { '': {} }],
};

/** One message, which the other side gets as it was sent. */
async function exchange(from, to, data = MESSAGE) {
  from.send(data);
  assert.deepEqual(await to.receive(), { chatId: from.chat.id, ...data });
}

for (const way of WAYS) {
  test(`a conversation: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(await Client.connect(t, way, server), 1, 'teacher');
    const student = await User.arrive(await Client.connect(t, way, server), 'sørén "2"', 'student');
    const status = await teacher.client.next('presence:status');
    assert.deepEqual(status.students, { total: 1, waiting: 1, chatting: 0, finished: 0 });
    const chat = await meet(teacher, student);
    await exchange(teacher, student);
    await exchange(student, teacher);
    await Promise.all([teacher, student].map((user) => user.client.upgraded()));
    await exchange(teacher, student);
    await exchange(student, teacher);

    teacher.client.emit(chat.terminateChannel, { chatId: chat.id, message: 'bye' });
    assert.deepEqual([await teacher.terminated(), await student.terminated()], [{}, {}]);
    await student.client.callOk('presence:student:disconnect', { userId: student.id, role: 'student' });
    await teacher.client.next('presence:status', ({ students, chats }) => students.total === 0 && chats.finished === 1);
    assert.equal((await server.snapshot()).students.total, 0);
    for (const { client, chat } of [teacher, student]) {
      assert.deepEqual(client.untaken(chat.receiveChannel, chat.terminatedChannel, 'chat:error', 'disconnect'), []);
    }
  });

  test(`a burst across the upgrade comes once and in order: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(await Client.connect(t, WAYS[0], server), 1, 'teacher');
    // Everything below happens while the client changes over, or at least begins before it has.
    const student = await User.arrive(await Client.connect(t, way, server), 2, 'student');
    await meet(teacher, student);
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    const take = async (user) => {
      const taken = [];
      for (const _ of numbers) {
        taken.push((await user.receive()).n);
      }
      return taken;
    };
    const taken = Promise.all([take(teacher), take(student)]);
    for (const n of numbers) {
      teacher.send({ n });
      student.send({ n });
      if (n % 10 === 0) {
        await new Promise(setImmediate);
      }
    }
    assert.deepEqual(await taken, [numbers, numbers]);
    await student.client.upgraded();
    await exchange(teacher, student);
    await exchange(student, teacher);
    assert.deepEqual(student.client.untaken(student.chat.receiveChannel), []);
    assert.deepEqual(teacher.client.untaken(teacher.chat.receiveChannel), []);
  });

  test(`errors reach a listener, and nobody else: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const client = await Client.connect(t, way, server);
    client.emit('presence:claim_student', { teacherId: 99 });
    const event = 'presence:claim_student';
    assert.deepEqual(await client.next('chat:error'), { event, reason: 'unknown teacher' });
    client.emit('presence:claim_student', null);
    assert.deepEqual(await client.next('chat:error'), { event, reason: 'payload must be an object' });
    const refused = { status: 'error', reason: 'missing or invalid teacherId' };
    assert.deepEqual(await client.call('presence:claim_student', {}), refused);
    client.emit('presence:claim_student', { teacherId: Buffer.from([1]) });
    assert.equal((await client.next('chat:error')).reason, 'binary data is not supported');

    // Where nobody listens, nothing is thrown, and the connection goes on.
    client.socket.off('chat:error');
    client.emit('nonsense', {});
    await client.callOk('presence:teacher:connect', { userId: 1, role: 'teacher' });
    assert.deepEqual(client.untaken('disconnect', 'chat:error'), []);
  });

  test(`a namespace that does not exist: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const client = await Client.connect(t, way, server);
    const errors = new Inbox('the error of the namespace');
    const admin = client.socket.io.socket('/admin');
    admin.on(way.number < '3' ? 'error' : 'connect_error', (error) => errors.put(error.message ?? error));
    admin.on('connect', () => errors.put('connected'));
    admin.connect();
    assert.equal(await errors.take(), 'Invalid namespace');
    // Some versions keep the connection for as long as this one wants it.
    admin.disconnect();
    await client.callOk('presence:teacher:connect', { userId: 1, role: 'teacher' });
  });

  test(`many users on one connection: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const shared = await Client.connect(t, way, server);
    const teachers = [await User.arrive(shared, 1, 'teacher'), await User.arrive(shared, 2, 'teacher')];
    const students = [];
    for (const id of [1, 2, 3, 4]) {
      students.push(await User.arrive(shared, id, 'student'));
    }
    const pairs = students.map((student, n) => [Object.create(teachers[n % 2]), student]);
    for (const [teacher, student] of pairs) {
      await meet(teacher, student);
    }
    for (const [teacher, student] of pairs) {
      await exchange(teacher, student, { ...MESSAGE, to: student.id });
      await exchange(student, teacher, { ...MESSAGE, from: student.id });
    }
    for (const [{ chat: at }, { chat }] of pairs) {
      assert.deepEqual(shared.untaken(at.receiveChannel, chat.receiveChannel, 'chat:error'), []);
    }
  });

  if (!way.reservesPing) {
    test(`ping and pong: ${way.name}`, async (t) => {
      const server = await Server.start(t);
      const client = await Client.connect(t, way, server);
      client.listen('pong');
      for (let n = 0; n < 100; n++) {
        client.emit('ping');
        assert.equal(await client.next('pong'), undefined);
      }
    });
  }
}

for (const [n, way] of WAYS.entries()) {
  const other = WAYS[(n + 7) % WAYS.length];
  test(`a chat between versions: ${way.name} with ${other.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(await Client.connect(t, way, server), 1, 'teacher');
    const student = await User.arrive(await Client.connect(t, other, server), 2, 'student');
    await meet(teacher, student);
    await exchange(teacher, student);
    await exchange(student, teacher);
  });
}

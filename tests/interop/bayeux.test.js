'use strict';

// Conversations as faye and CometD have them, in every version and over every transport.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Inbox, Server } = require('./harness.js');
const { CLIENTS, PHOENIX, PhoenixUser, User, begin, eventually, exchange, meet } = require('./bayeux/client.js');

const PAYLOADS = [
  { message: 'Grüße, 你好, 👩‍🏫 "quoted" \\ / \u2028 <script>', 'extra key': [1, -2.5e-7, null, true, { '': {} }] },
  { channel: '/meta/disconnect', clientId: 'nobody', data: {}, successful: false },
  {},
];

const COUNTS_AFTER = {
  teachers: { total: 0, teachers: [] },
  students: { total: 0, waiting: 0, chatting: 0, finished: 0, students: [] },
  chats: { total: 1, active: [], finished: 1 },
};

/** Waits until everybody is gone, and the chat is over. */
function isOver(server) {
  return eventually(
    async () => JSON.stringify(await server.snapshot()) === JSON.stringify(COUNTS_AFTER),
    'nobody to be there any more',
  );
}

for (const kind of CLIENTS) {
  test(`a conversation: ${kind.name}`, async (t) => {
    const { server, open } = await begin(t);
    const teacher = await User.arrive(await open(kind), 1, 'teacher');
    const student = await User.arrive(await open(kind), 'jos@2', 'student');
    assert.deepEqual([teacher.client.transport, student.client.transport], [kind.transport, kind.transport]);

    const [atTeacher, atStudent] = await meet(teacher, student);
    const chat = atTeacher.readyChannel.replace(/\/ready$/, '');
    assert.match(chat, /^\/chat\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(atTeacher, {
      sendChannel: `${chat}/teacher/send`,
      receiveChannel: `${chat}/teacher/receive`,
      terminateChannel: `${chat}/teacher/terminate`,
      terminatedChannel: `${chat}/teacher/terminated`,
      joinedChannel: `${chat}/teacher/joined`,
      readyChannel: `${chat}/ready`,
    });
    assert.deepEqual(atStudent, {
      sendChannel: `${chat}/student/send`,
      receiveChannel: `${chat}/student/receive`,
      terminatedChannel: `${chat}/student/terminated`,
      joinedChannel: `${chat}/student/joined`,
    });
    await exchange(teacher, student, PAYLOADS);

    await teacher.client.publish(atTeacher.terminateChannel, { message: 'that is all' });
    for (const user of [teacher, student]) {
      assert.deepEqual(await user.chat.terminated.take(), {});
      assert.deepEqual(user.untaken(), []);
    }
    await student.client.publish('/presence/student/disconnect', { userId: student.id, role: 'student' });
    assert.deepEqual(await teacher.status({ total: 0 }), {
      teachers: { total: 1 },
      students: { total: 0, waiting: 0, chatting: 0, finished: 0 },
      chats: { total: 1, active: 0, finished: 1 },
    });
    student.client.disconnect();
    teacher.client.disconnect();
    await isOver(server);
  });

  test(`what is refused: ${kind.name}`, async (t) => {
    const { server, open } = await begin(t);
    const teacher = await User.arrive(await open(kind), 1, 'teacher');
    const student = await User.arrive(await open(kind), 2, 'student');
    const [, { sendChannel }] = await meet(teacher, student);
    const stranger = await User.arrive(await open(kind), 7, 'teacher');

    const nowhere = new Inbox('nothing');
    const foreign = [student.chat.receiveChannel, '/rooms/lobby', '/presence/*', '/chat/**', '/**'];
    for (const channel of foreign) {
      await assert.rejects(stranger.client.subscribe(channel, nowhere), {
        message: `403:${channel}:Forbidden channel`,
      });
    }
    const refusals = [
      [sendChannel, { message: 'psst' }, `403:${sendChannel}:Forbidden channel`],
      ['/rooms/lobby', {}, '403:/rooms/lobby:Forbidden channel'],
      ['/presence/teacher/connect', { role: 'teacher' }, '402:userId:Missing required parameter'],
      ['/presence/claim_student', {}, '402:teacherId:Missing required parameter'],
      ['/presence/claim_student', { teacherId: 99 }, '400:/presence/claim_student:unknown teacher'],
      ['/presence/teacher/connect', { userId: 1 }, '400:/presence/teacher/connect:id is in use'],
    ];
    for (const [channel, data, message] of refusals) {
      await assert.rejects(stranger.client.publish(channel, data), { message });
    }
    await exchange(teacher, student, PAYLOADS);
    assert.deepEqual([teacher.untaken(), student.untaken(), nowhere.items], [[], [], []]);
  });

  test(`a client that disconnects ends its chat: ${kind.name}`, async (t) => {
    const { server, open } = await begin(t);
    const teacher = await User.arrive(await open(kind), 1, 'teacher');
    const student = await User.arrive(await open(kind), 2, 'student');
    await meet(teacher, student);
    student.client.disconnect();
    assert.deepEqual(await teacher.chat.terminated.take(), {});
    teacher.client.disconnect();
    await isOver(server);
  });

  test(`the server stops and comes back: ${kind.name}`, async (t) => {
    const { server, open } = await begin(t);
    const teacher = await User.arrive(await open(kind), 1, 'teacher');
    const student = await User.arrive(await open(kind), 2, 'student');
    await meet(teacher, student);
    await exchange(teacher, student, PAYLOADS);
    const before = [teacher, student].map((user) => user.client.id);
    await server.stop();
    await Promise.all([teacher.client.downs.take(), student.client.downs.take()]);

    await Server.start(t, '--port', server.port);
    // Each finds out by itself that it is unknown, shakes hands and subscribes again.
    for (const [index, user] of [teacher, student].entries()) {
      const hasNewId = () => user.client.id && user.client.id !== before[index];
      await eventually(hasNewId, `${user.client.name} to shake hands again`);
    }
    teacher.statuses.items.length = 0;
    await teacher.connect();
    await student.connect();
    await meet(teacher, student);
    await exchange(teacher, student, PAYLOADS);
    assert.deepEqual([teacher.untaken(), student.untaken()], [[], []]);
  });
}

// Each version with the next, a teacher of the one with a student of the other.
CLIENTS.forEach((kind, index) => {
  const other = CLIENTS[(index + 1) % CLIENTS.length];
  test(`a conversation: teacher ${kind.name}, student ${other.name}`, async (t) => {
    const { server, open } = await begin(t);
    const teacher = await User.arrive(await open(kind), 1, 'teacher');
    const student = await User.arrive(await open(other), 2, 'student');
    await meet(teacher, student);
    await exchange(teacher, student, PAYLOADS);
  });

  test(`a conversation with phoenix.js: ${kind.name}`, async (t) => {
    const { server, open } = await begin(t);
    const bayeux = await open(kind);
    const phoenix = await open(PHOENIX);
    for (const [teaching, studying] of [
      [() => User.arrive(bayeux, 1, 'teacher'), () => PhoenixUser.arrive(phoenix, 2, 'student')],
      [() => PhoenixUser.arrive(phoenix, 3, 'teacher'), () => User.arrive(bayeux, 4, 'student')],
    ]) {
      const [teacher, student] = [await teaching(), await studying()];
      await meet(teacher, student);
      await exchange(teacher, student, PAYLOADS);
    }
  });
});

test('many users on one client', async (t) => {
  const { server, open } = await begin(t);
  const kind = CLIENTS.at(-1);
  const shared = await open(kind);
  const teacher = await User.arrive(shared, 1, 'teacher');
  for (const id of [1, 2, 3]) {
    const student = await User.arrive(shared, id, 'student');
    await meet(teacher, student);
    await exchange(teacher, student, PAYLOADS);
  }
});

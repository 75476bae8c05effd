'use strict';

// Conversations as phoenix.js has them, each version with itself and with the other.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Server } = require('./harness.js');
const { Client, User, VERSIONS, meet } = require('./phoenix/client.js');

const FROM_TEACHER = {
  message: 'Grüße, 你好, 👩‍🏫 "quoted" \\ / \u0000 \u2028 \ud800',
  'extra key': [1, -2.5e-7, null, true, { '': {} }],
  event: 'phx_close',
};
const FROM_STUDENT = { status: 'error', response: { reason: 'only text' }, message: '' };

const COUNTS_AFTER = {
  teachers: { total: 0, teachers: [] },
  students: { total: 0, waiting: 0, chatting: 0, finished: 0, students: [] },
  chats: { total: 1, active: [], finished: 1 },
};

for (const teacherVersion of VERSIONS) {
  for (const studentVersion of VERSIONS) {
    test(`a conversation: teacher ${teacherVersion.name}, student ${studentVersion.name}`, async (t) => {
      const server = await Server.start(t);
      const teacher = await User.arrive(new Client(t, teacherVersion, server), 1, 'teacher');
      const student = await User.arrive(new Client(t, studentVersion, server), 'sørén "2"', 'student');
      const chat = await meet(teacher, student);
      assert.deepEqual(chat, {
        id: chat.id,
        status: 'active',
        teacher_id: 1,
        student_id: 'sørén "2"',
        teacher_entered: false,
        student_entered: false,
        messages: [],
      });
      await exchange(teacher, student, FROM_TEACHER);
      await exchange(student, teacher, FROM_STUDENT);

      const during = await server.snapshot();
      assert.deepEqual(during.teachers.teachers, [{ id: 1, student_ids: ['sørén "2"'] }]);
      assert.equal(during.chats.active[0].message_count, 2);

      teacher.chat.push('chat:terminate', {});
      for (const user of [student, teacher]) {
        assert.deepEqual(await user.chat.next('chat:terminated'), {});
        await user.chat.leave();
      }
      await student.presence.leave();
      assert.equal((await server.snapshot()).students.total, 0);
      const last = await teacher.status({ total: 0 });
      assert.deepEqual(last, {
        teachers: { total: 1 },
        students: { total: 0, waiting: 0, chatting: 0, finished: 0 },
        chats: { total: 1, active: 0, finished: 1 },
      });
      await teacher.presence.leave();
      assert.deepEqual(await server.snapshot(), COUNTS_AFTER);

      // Nothing came twice, and nobody heard what was for the other.
      assert.deepEqual([teacher.chat.untaken(), student.chat.untaken(), student.presence.untaken()], [[], [], []]);
    });
  }
}

/** One message, which the other side gets as it was sent, to the byte. */
async function exchange(from, to, payload) {
  from.send(payload);
  assert.deepEqual(await to.receive(), payload);
  const text = JSON.stringify(payload);
  assert.ok(to.client.texts.some((frame) => frame.includes(text)), 'the payload was written anew');
}

for (const version of VERSIONS) {
  test(`what is refused reaches receive("error"): ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    const chat = await meet(teacher, student);

    const refusals = [
      ['presence:teachers', { userId: 1, role: 'teacher' }, 'id is in use'],
      ['presence:teachers', { userId: '1', role: 'teacher' }, 'id is in use'],
      ['presence:student:2', { userId: 2, role: 'student' }, 'id is in use'],
      [`chats:${chat.id}`, { userId: 1, role: 'teacher' }, 'not your chat'],
      [`chats:${chat.id}`, { userId: 3, role: 'student' }, 'not your chat'],
      ['presence:teachers', { userId: 3, role: 'student' }, 'wrong role'],
      ['presence:student:3', { userId: 3, role: 'teacher' }, 'wrong role'],
      ['presence:student:3', { userId: 4, role: 'student' }, 'userId does not match the topic'],
      ['presence:student:3', {}, 'missing or invalid userId'],
      ['chats:00000000-0000-4000-8000-000000000000', { userId: 3, role: 'student' }, 'unknown chat'],
      ['rooms:lobby', { userId: 3, role: 'student' }, 'unmatched topic'],
    ];
    // A socket each: phoenix.js tries again what was refused.
    for (const [topic, params, reason] of refusals) {
      const stranger = new Client(t, version, server);
      const response = await stranger.join(topic, params).refused.take();
      assert.deepEqual(response, { reason }, `${topic} ${JSON.stringify(params)}`);
      stranger.close();
    }
    assert.equal(await teacher.chat.refusal('student:send', { message: 'x' }), 'wrong role');
    assert.equal(await student.chat.refusal('teacher:joined', {}), 'wrong role');
    assert.equal(await student.chat.refusal('chat:shout', {}), 'unknown event');
    assert.equal(await teacher.presence.refusal('claim:student', {}), 'missing or invalid teacherId');
    assert.equal(await teacher.presence.refusal('claim:student', { teacherId: 7 }), 'unknown teacher');
    assert.equal(await student.presence.refusal('student:ready', { userId: 2 }), 'already in a chat');

    // None of that came between the two.
    await exchange(teacher, student, FROM_TEACHER);
    await exchange(student, teacher, FROM_STUDENT);
    const { teachers, students, chats } = await server.snapshot();
    assert.deepEqual([teachers.total, students.total, chats.active.length], [1, 1, 1]);
    assert.deepEqual([teacher.chat.untaken(), student.chat.untaken()], [[], []]);
  });

  test(`a rejoin of topics that the server still has: ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    await meet(teacher, student);

    for (const topic of [teacher.presence, teacher.chat, student.presence, student.chat]) {
      await topic.rejoin();
    }
    await exchange(teacher, student, FROM_TEACHER);
    await exchange(student, teacher, FROM_STUDENT);
    for (const topic of [teacher.presence, teacher.chat, student.presence, student.chat]) {
      assert.equal(topic.channel.state, 'joined', topic.name);
    }
    assert.equal((await server.snapshot()).students.chatting, 1);

    student.chat.push('chat:terminate', {});
    await Promise.all([teacher.chat.next('chat:terminated'), student.chat.next('chat:terminated')]);
    await student.chat.leave();
    await teacher.chat.leave();
    assert.deepEqual([teacher.chat.untaken(), student.chat.untaken()], [[], []]);

    // A finished student who says ready again is the next one.
    await student.presence.rejoin();
    student.presence.push('student:ready', { userId: 2 });
    await teacher.presence.rejoin();
    await meet(teacher, student);
    await exchange(student, teacher, FROM_STUDENT);
  });

  test(`a second channel for the same topic: ${version.name}`, async (t) => {
    const server = await Server.start(t);
    const client = new Client(t, version, server);
    await User.arrive(client, 1, 'teacher');
    // Newer versions leave the first one before they join this one, older ones just join.
    const teacher = await User.arrive(client, 1, 'teacher');
    assert.equal((await server.snapshot()).teachers.total, 1);
    const student = await User.arrive(new Client(t, version, server), 2, 'student');
    await meet(teacher, student);
    await exchange(teacher, student, FROM_TEACHER);
  });

  test(`many students on one socket: ${version.name}`, async (t) => {
    const server = await Server.start(t, '--students-per-teacher', '2');
    const teacher = await User.arrive(new Client(t, version, server), 1, 'teacher');
    const shared = new Client(t, version, server);
    const chats = [];
    for (const id of [1, 2]) {
      const student = await User.arrive(shared, id, 'student');
      await meet(teacher, student);
      chats.push([student, teacher.chat]);
    }
    for (const [student, chat] of chats) {
      teacher.chat = chat;
      await exchange(teacher, student, { ...FROM_TEACHER, to: student.id });
      await exchange(student, teacher, { ...FROM_STUDENT, from: student.id });
    }
    // The third has to wait until there is a place.
    const third = await User.arrive(shared, 3, 'student');
    await teacher.status({ waiting: 1, chatting: 2 });
    teacher.presence.push('claim:student', { teacherId: 1 });
    // Refused after the claim was heard.
    await teacher.presence.refusal('claim:student', {});
    assert.equal((await server.snapshot()).students.waiting, 1);

    const [first] = chats[0];
    first.chat.push('chat:terminate', {});
    await first.chat.next('chat:terminated');
    await first.presence.leave();
    await meet(teacher, third);
    await exchange(third, teacher, FROM_STUDENT);
    await exchange(chats[1][0], Object.assign(teacher, { chat: chats[1][1] }), FROM_STUDENT);
  });
}

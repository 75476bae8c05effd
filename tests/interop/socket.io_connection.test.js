'use strict';

// What becomes of a conversation when connections are lost, or taken down with the server.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { test } = require('node:test');
const { Inbox, Server } = require('./harness.js');
const { Client, User, WAYS, meet } = require('./socket.io/client.js');

for (const way of WAYS) {
  test(`the server stops and comes back: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(await Client.connect(t, way, server), 1, 'teacher');
    const student = await User.arrive(await Client.connect(t, way, server), 2, 'student');
    await meet(teacher, student);
    await server.stop();
    const again = await Server.start(t, '--port', server.port);
    for (const { client, id, role } of [teacher, student]) {
      await client.next('disconnect');
      await client.next('connect');
      await client.callOk(`presence:${role}:connect`, { userId: id, role });
    }
    await meet(teacher, student);
    student.send({ message: 'where were we?' });
    assert.equal((await teacher.receive()).message, 'where were we?');
    assert.equal((await again.snapshot()).chats.total, 1);
  });

  test(`a student whose process is killed: ${way.name}`, async (t) => {
    const server = await Server.start(t);
    const teacher = await User.arrive(await Client.connect(t, WAYS[0], server), 1, 'teacher');
    const child = fork(require.resolve('./socket.io/student.js'), [way.number, server.url, `${way.transports ?? ''}`]);
    t.after(() => child.kill('SIGKILL'));
    const words = new Inbox(`a word of a student of ${way.name} in a process of its own`);
    child.on('message', (word) => words.put(word));
    await words.take((word) => word === 'waiting');
    teacher.client.emit('presence:claim_student', { teacherId: 1 });
    await teacher.open();
    await words.take((word) => word === 'chatting');
    child.kill('SIGKILL');
    assert.deepEqual(await teacher.terminated(), {});
    assert.equal((await server.snapshot()).students.total, 0);
  });
}

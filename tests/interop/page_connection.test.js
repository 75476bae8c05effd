'use strict';

// What the page does when the server goes away and comes back.

const assert = require('node:assert/strict');
const { Server, eventually, pageTest } = require('./page/browser.js');
const { staged } = require('./page/stage.js');

pageTest('the server goes, and the page comes back with the next one', async (t, open) => {
  const server = await Server.start(t);
  const teacher = await open(server);
  const chatting = await open(server);
  const waiting = await open(server);
  await teacher.be('teacher', 'T');
  await chatting.be('student', 'C');
  await teacher.claim('Student C');
  await chatting.talking('Teacher T');
  await teacher.write('Student C', 'Before the storm');
  await chatting.reads('Teacher T', 'Before the storm');
  await waiting.be('student', 'W');
  const people = [teacher, chatting, waiting];
  people.forEach((person) => person.expectOutage());

  await server.stop();
  for (const person of people) {
    await person.sees('.connection', /^Connection lost, reconnecting in \d+ s Try now$/);
    await person.sees(person.notice, 'Not connected.');
    await person.sees('#figures-notice', 'Not connected: these figures are the last that came.');
  }
  // The chats are over and what was said is still there; nobody can be claimed.
  await teacher.ended('Student C');
  await chatting.ended('Teacher T');
  await chatting.sees('.log', /Before the storm.*The connection was lost/);
  assert.equal(await teacher.next.getAttribute('aria-disabled'), 'true');

  const again = await Server.start(t, '--port', server.port);
  for (const person of people) {
    // It comes back by itself, and at once if it is told to.
    await person.page.getByRole('button', { name: 'Try now' }).click({ timeout: 500 }).catch(() => {});
    await person.connected();
    await person.sees('#figures-notice', '');
  }
  // Who waited waits again, who chatted may.
  await waiting.sees(waiting.notice, /^You are in the queue/);
  await chatting.sees(chatting.notice, /^The chat is over/);
  await teacher.claim('Student W');
  await waiting.talking('Teacher T');
  await waiting.write('Teacher T', 'Where were we?');
  await teacher.reads('Student W', 'Where were we?');
  await chatting.page.getByRole('button', { name: 'Next chat' }).click();
  await teacher.chat('Student C').getByRole('button', { name: 'Close' }).click();
  await teacher.claim('Student C');
  await chatting.talking('Teacher T');
  assert.equal((await again.snapshot()).students.chatting, 2);
});

pageTest('who leaves while the server is away has left when it is back', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, onlooker] = [await open(server), await open(server)];
  await teacher.be('teacher', 'T');
  [teacher, onlooker].forEach((person) => person.expectOutage());
  await server.stop();
  await teacher.sees(teacher.notice, 'Not connected.');
  await teacher.page.getByRole('button', { name: 'Leave' }).click();
  // To come on line takes a connection.
  await teacher.page.getByRole('button', { name: 'Be a teacher' }).click();
  await teacher.sees('#join-error', 'Not connected. Try again in a moment.');

  const again = await Server.start(t, '--port', server.port);
  await teacher.connected();
  await onlooker.connected();
  await onlooker.figure('Teachers', '0');
  assert.equal((await again.snapshot()).teachers.total, 0);
});

pageTest('an id that somebody took meanwhile is asked for until it is free', async (t, open) => {
  const server = await Server.start(t);
  const teacher = await open(server);
  await teacher.be('teacher', 'T');
  teacher.expectOutage();
  await teacher.page.clock.install();
  await teacher.page.clock.pauseAt(Date.now() + 60_000);
  await server.stop();
  const again = await Server.start(t, '--port', server.port);
  const rival = await open(again);
  await rival.be('teacher', 'T');
  await teacher.page.getByRole('button', { name: 'Try now' }).click();
  await teacher.sees(teacher.notice, 'The id “T” is in use: choose another one. Asking again.');
  await rival.page.getByRole('button', { name: 'Leave' }).click();
  await eventually(async () => {
    await teacher.page.clock.runFor(2_000);
    await teacher.sees(teacher.notice, /^(You are on line|Nobody is waiting)/);
  });
  assert.equal((await again.snapshot()).teachers.total, 1);
});

pageTest('who closes the page is gone, and the other one is told', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server), await open(server)];
  await teacher.be('teacher', 'T');
  await student.be('student', 'S');
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await student.page.close();
  await teacher.ended('Student S');
  await teacher.sees(teacher.notice, /^Nobody is waiting/);
  assert.equal((await server.snapshot()).students.total, 0);
});

pageTest('who is never let in is told so, and why that may be', async (t, open) => {
  const server = await Server.start(t, '--allow-origin', 'http://somewhere.else.test');
  const person = await open(server);
  person.expectOutage();
  await person.sees('.connection', /^Cannot connect, trying again in \d+ s Try now$/);
  const why = `Not connected. Does the server allow the origin ${server.url}, and does every proxy before it let WebSockets through?`;
  await person.sees('#figures-notice', why);
  await person.page.getByRole('button', { name: 'Be a teacher' }).click();
  await person.sees('#join-error', 'Not connected. Try again in a moment.');
});

pageTest('a message that the server does not take is named, and so is the reason', async (t, open) => {
  const server = await Server.start(t, '--max-message-size', '1KiB');
  const [teacher, student] = [await open(server), await open(server)];
  await teacher.be('teacher', 'T');
  await student.be('student', 'S');
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await student.writeLast('Teacher T', 'word '.repeat(500));
  await student.ended('Teacher T');
  const text = await student.chat('Teacher T').locator('.log p').last().innerText();
  const begin = 'word '.repeat(12).trim();
  assert.equal(text, `“${begin}…” may not have gone out: the server closed the connection (message too big).`);
});

pageTest('who comes back to the page does not wait for the next attempt', async (t, open) => {
  const { person, stage } = await staged(t, open);
  await person.page.clock.pauseAt(Date.now() + 60_000);
  stage.hangUp();
  await person.sees('#connection', 'Connection lost, reconnecting');
  await person.page.getByRole('button', { name: 'Be a teacher' }).click();
  await person.sees('#join-error', 'Not connected. Try again in a moment.');
  await person.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await person.connected();
  await person.sees('#join-error', '');
});

pageTest('of what was said only that is called lost which may be', async (t, open) => {
  const { person, stage } = await staged(t, open);
  await person.be('student', 'S');
  stage.push('presence:student:S', 'new:chat', { id: 'c', teacher_id: 'T', student_id: 'S' });
  await eventually(() => assert.ok(stage.frames.includes('chats:c student:joined')));
  stage.push('chats:c', 'chat:ready', {});
  await person.talking('Teacher T');
  await person.write('Teacher T', 'one');
  stage.isSilent = true;
  await person.write('Teacher T', 'two');
  await eventually(() => assert.equal(stage.frames.filter((frame) => frame === 'chats:c student:send').length, 2));
  await person.page.clock.pauseAt(Date.now() + 60_000);
  stage.hangUp();
  await person.ended('Teacher T');
  assert.equal(await person.notice.innerText(), 'Not connected.');
  const lines = await person.page.locator('.log p').allInnerTexts();
  assert.deepEqual(lines.map((line) => line.replace(/\s+/g, ' ')), [
    'Teacher T is here.',
    'You: one',
    'You: two',
    'The connection was lost, and this chat is over by that.',
    '“two” may not have gone out: the connection was lost.',
  ]);
});

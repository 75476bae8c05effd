'use strict';

// The page in a real browser: people who chat, each with a page of their own.

const assert = require('node:assert/strict');
const { Server, eventually, pageTest } = require('./page/browser.js');
const { staged } = require('./page/stage.js');

pageTest('two people chat through to the end, and the figures follow', async (t, open) => {
  const server = await Server.start(t);
  const onlooker = await open(server);
  const teacher = await open(server);
  const student = await open(server);
  await onlooker.figure('Teachers', '0');

  await teacher.be('teacher', 'T');
  await teacher.sees(teacher.notice, /^Nobody is waiting/);
  await onlooker.figure('Teachers', '1');
  await student.be('student', 'S');
  await student.sees(student.notice, 'You are in the queue. A teacher will come.');
  await onlooker.figure('Students waiting', '1');

  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await onlooker.figure('Students waiting', '0');
  await onlooker.figure('Students chatting', '1');
  await onlooker.figure('Chats', '1');
  await onlooker.sees('#figures', /3 Phoenix/);

  await teacher.write('Student S', 'What is 6 × 7?');
  await student.reads('Teacher T', 'What is 6 × 7?');
  await student.write('Teacher T', '42 👍');
  await teacher.reads('Student S', '42 👍');
  await onlooker.sees('#process', /, 2 messages,/);

  await teacher.chat('Student S').getByRole('button', { name: 'End chat' }).click();
  await teacher.ended('Student S');
  await student.ended('Teacher T');
  await onlooker.figure('Students finished', '1');
  await onlooker.figure('Chats', '0');
  await onlooker.sees('#figures', /1 finished/);

  // The student goes for another one, which the student ends.
  await student.page.getByRole('button', { name: 'Next chat' }).click();
  await teacher.chat('Student S').getByRole('button', { name: 'Close' }).click();
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await student.chat('Teacher T').getByRole('button', { name: 'End chat' }).click();
  await teacher.ended('Student S');

  for (const person of [student, teacher]) {
    await person.page.getByRole('button', { name: 'Leave' }).click();
    await person.sees('#start h2', 'Take part');
  }
  await onlooker.figure('Teachers', '0');
  await onlooker.figure('Students finished', '0');
  const { teachers, students, chats } = await server.snapshot();
  assert.deepEqual([teachers.total, students.total, chats.total, chats.active], [0, 0, 2, []]);
});

pageTest('a teacher talks with several students side by side', async (t, open) => {
  const server = await Server.start(t, '--students-per-teacher', '3');
  const teacher = await open(server);
  await teacher.be('teacher', 'T');
  const students = [];
  for (const id of ['A', 'B', 'C', 'D']) {
    const student = await open(server);
    await student.be('student', id);
    students.push(student);
  }
  for (const id of ['A', 'B', 'C']) {
    await teacher.claim(`Student ${id}`);
  }
  for (const [index, id] of ['A', 'B', 'C'].entries()) {
    await students[index].talking('Teacher T');
    await students[index].write('Teacher T', `This is ${id}.`);
    await teacher.reads(`Student ${id}`, `This is ${id}.`);
    await teacher.write(`Student ${id}`, `Good morning ${id}, where shall we begin?`);
    await students[index].reads('Teacher T', `Good morning ${id}, where shall we begin?`);
  }
  const boxes = await Promise.all((await teacher.chats.all()).map((chat) => chat.boundingBox()));
  assert.equal(new Set(boxes.map(({ y }) => y)).size, 1, 'three chats stand in one row');

  // A message to a chat in which nobody is just now is marked until somebody looks.
  await teacher.chat('Student C').getByRole('textbox').focus();
  await students[0].write('Teacher T', 'Are you still there?');
  await teacher.sees(teacher.chat('Student A').locator('.unread'), 'new');
  await teacher.screenshot('teacher');
  await teacher.chat('Student A').getByRole('textbox').focus();
  assert.equal(await teacher.chat('Student A').locator('.unread').isVisible(), false);

  // The fourth has to wait until there is a place.
  await teacher.sees(teacher.notice, '1 student is waiting.');
  await teacher.next.click();
  await teacher.sees(teacher.notice, 'No chat came of it: you have as many as you may.');
  await students[1].chat('Teacher T').getByRole('button', { name: 'End chat' }).click();
  await teacher.ended('Student B');
  await teacher.claim('Student D');
  await students[3].talking('Teacher T');
});

pageTest('a chat that begins does not take the focus from who writes or reads', async (t, open) => {
  const server = await Server.start(t);
  const teacher = await open(server);
  await teacher.be('teacher', 'T');
  const student = await open(server);
  await student.be('student', 'A');
  for (const id of ['B', 'C']) {
    await (await open(server)).be('student', id);
  }
  await teacher.claim('Student A');
  await eventually(async () => assert.equal(await teacher.focused(), 'Message to Student A'));
  // Somebody else's chat becomes ready while this one is being written in, or read back.
  for (const [other, part, name] of [
    ['B', 'input', 'Message to Student A'],
    ['C', '.log', 'Messages with Student A'],
  ]) {
    await teacher.sees(teacher.notice, /^\d students? (is|are) waiting\.$/);
    await teacher.page.evaluate((selector) => {
      document.getElementById('next').click();
      document.querySelector(`.conversation ${selector}`).focus();
    }, part);
    await teacher.talking(`Student ${other}`);
    assert.equal(await teacher.focused(), name);
  }

  // And when that chat ends, the key that comes next presses no button. To end it twice is not to fail.
  await teacher.chat('Student A').getByRole('button', { name: 'End chat' }).evaluate((button) => {
    button.click();
    button.click();
    button.focus();
  });
  await teacher.ended('Student A');
  assert.equal(await teacher.focused(), 'Messages with Student A');
  await student.page.getByRole('button', { name: 'Next chat' }).click();
  await teacher.sees(teacher.notice, '1 student is waiting.');
  assert.equal(await teacher.chat('Student A').locator('.log p').last().innerText(), 'This chat is over.');
});

pageTest('an id that is in use is refused, and another one is taken', async (t, open) => {
  const server = await Server.start(t);
  const first = await open(server);
  await first.be('teacher', 'same');
  const second = await open(server);
  await second.connected();
  const id = second.page.getByLabel('Your id');
  assert.match(await id.inputValue(), /^guest-\d{4}$/);
  await id.fill('same');
  await second.page.getByRole('button', { name: 'Be a teacher' }).click();
  await second.sees('#join-error', 'The id “same” is in use: choose another one.');
  assert.equal(await second.focused(), 'Your id');
  // What is too long for the server, it says itself.
  await id.fill('ü'.repeat(64) + 'ü');
  assert.equal((await id.inputValue()).length, 64);
  await id.fill('   ');
  await second.page.getByRole('button', { name: 'Be a student' }).click();
  await second.sees('#join-error', 'An id is more than blanks.');
  await id.fill('€'.repeat(64));
  await second.page.getByRole('button', { name: 'Be a student' }).click();
  await second.sees('#join-error', 'The server refused: missing or invalid userId.');
  await second.be('teacher', 'other');
  assert.equal(await second.page.locator('#join-error').innerText(), '');
  assert.equal((await server.snapshot()).teachers.total, 2);
});

pageTest('what users write is text and nothing else', async (t, open) => {
  const server = await Server.start(t);
  const teacher = await open(server);
  const student = await open(server);
  const id = '<b>"S"&amp;</b>/:?#';
  const html = '<img src=x onerror="document.title=1"> <script>document.title=2</script> &lt;';
  await teacher.be('teacher', 'T');
  await student.be('student', id);
  await teacher.claim(`Student ${id}`);
  await student.talking('Teacher T');
  await student.write('Teacher T', html);
  await teacher.reads(`Student ${id}`, html);
  assert.equal(await teacher.page.locator('.log img, .log script, .conversation b').count(), 0);
  assert.match(await teacher.page.title(), / · mio-chat-server$/);
});

pageTest('what is too long, or not sent when the chat ends, is not lost in silence', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server), await open(server)];
  await teacher.be('teacher', 'T');
  await student.be('student', 'S');
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  const input = student.chat('Teacher T').getByRole('textbox');
  const lines = student.chat('Teacher T').locator('.log p');
  await input.fill('x'.repeat(4001));
  await input.press('Enter');
  await student.sees(lines.last(), 'That is 4,001 characters long, and 4,000 are the most.');
  assert.equal((await input.inputValue()).length, 4001);
  await student.write('Teacher T', 'x'.repeat(4000));
  await teacher.reads('Student S', 'x'.repeat(4000));

  await input.fill('One more thing');
  await teacher.chat('Student S').getByRole('button', { name: 'End chat' }).click();
  await student.ended('Teacher T');
  assert.deepEqual((await lines.allInnerTexts()).slice(-2), ['This chat is over.', 'Not sent: “One more thing”']);
});

pageTest('the title says what there is to know, for who looks at another tab', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server), await open(server)];
  const title = (person, expected) => eventually(async () => assert.equal(await person.page.title(), expected));
  await title(student, 'mio-chat-server');
  await student.be('student', 'S');
  await title(student, 'You are in the queue. A teacher will come. · mio-chat-server');
  await teacher.be('teacher', 'T');
  await title(teacher, '1 student is waiting. · mio-chat-server');
  await teacher.claim('Student S');
  await title(student, 'A teacher has come. · mio-chat-server');
  await student.page.getByRole('button', { name: 'Leave' }).click();
  await title(student, 'mio-chat-server');
});

pageTest('everything can be done with the keyboard alone', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server), await open(server)];
  const reach = async ({ page, focused }, name) => {
    for (let presses = 0; presses < 20; presses++) {
      if ((await focused.call({ page })).trim() === name) {
        return;
      }
      await page.keyboard.press('Tab');
    }
    assert.fail(`no Tab leads to ${name}`);
  };
  for (const [person, role, id] of [[teacher, 'teacher', 'T'], [student, 'student', 'S']]) {
    await person.connected();
    await reach(person, 'Your id');
    await person.page.keyboard.press('ControlOrMeta+A');
    await person.page.keyboard.type(id);
    await reach(person, `Be a ${role}`);
    await person.page.keyboard.press('Enter');
    await person.sees('#user-heading', new RegExp(`${id}$`));
  }
  await teacher.sees(teacher.notice, '1 student is waiting.');
  await reach(teacher, 'Claim next student');
  await teacher.page.keyboard.press('Enter');
  await teacher.talking('Student S');
  await student.talking('Teacher T');
  // The focus is where one writes, by itself.
  for (const [from, to, sender, recipient] of [
    [teacher, student, 'Teacher T', 'Student S'],
    [student, teacher, 'Student S', 'Teacher T'],
  ]) {
    await eventually(async () => assert.equal(await from.focused(), `Message to ${recipient}`));
    await from.page.keyboard.type(`Good day from ${sender}`);
    await from.page.keyboard.press('Enter');
    await to.reads(sender, `Good day from ${sender}`);
  }
  await reach(teacher, 'End chat with Student S');
  await teacher.page.keyboard.press('Space');
  await teacher.ended('Student S');
  await student.ended('Teacher T');
  await reach(student, 'Next chat');
  await student.page.keyboard.press('Enter');
  await student.sees(student.notice, /^You are in the queue/);
  await reach(teacher, 'Close the chat with Student S');
  await teacher.page.keyboard.press('Enter');
  assert.equal(await teacher.focused(), 'Claim next student');
  await reach(teacher, 'Leave');
  await teacher.page.keyboard.press('Enter');
  assert.equal(await teacher.focused(), 'Your id');
});

pageTest('of chats that are over a page keeps the last twenty', async (t, open) => {
  const { person, stage } = await staged(t, open);
  await person.be('teacher', 'T');
  for (let number = 1; number <= 25; number++) {
    stage.push('presence:teachers', 'new:chat:T', { id: `c${number}`, teacher_id: 'T', student_id: number });
    // The first one goes on.
    if (number > 1) {
      stage.push(`chats:c${number}`, 'chat:terminated', {});
    }
  }
  await person.ended('Student 25');
  const names = await person.page.locator('.conversation h3').allInnerTexts();
  assert.deepEqual([names.length, names[0], names[1]], [21, 'Student 1', 'Student 6']);
});

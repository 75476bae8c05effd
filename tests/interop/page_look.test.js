'use strict';

// How the page looks: on a phone, in the dark, and to who wants less motion. What it wrote can be looked
// at in target/interop/page/screenshots.

const assert = require('node:assert/strict');
const { Server, pageTest } = require('./page/browser.js');
const { STATS, staged } = require('./page/stage.js');

const PHONE = { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true };
/** Unbroken, longer than any screen is wide. */
const LONG = 'x'.repeat(60);

/** Nothing of the page stands out of the screen, to the right of which one would have to scroll. */
async function assertFits(person) {
  const [needed, there, wider] = await person.page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const isWider = (part) => part.getBoundingClientRect().right > clientWidth + 0.5;
    return [scrollWidth, clientWidth, [...document.querySelectorAll('body *')].filter(isWider).map((part) => part.id || part.className)];
  });
  assert.ok(needed <= there, `${needed} pixels are needed, and there are ${there}`);
  assert.deepEqual(wider.filter((name) => name !== 'who'), []);
}

/** The page ends where its last line does: below it there is nothing to scroll to. */
async function assertEnds(person) {
  const [height, end] = await person.page.evaluate(() => {
    const { bottom } = document.querySelector('footer').getBoundingClientRect();
    return [document.documentElement.scrollHeight, Math.max(bottom + scrollY, innerHeight)];
  });
  assert.ok(height <= end + 1, `the page is ${height} pixels high, and its last line ends at ${end}`);
}

pageTest('a phone of 320 pixels needs no scrolling to the side', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server, PHONE), await open(server, PHONE)];
  await student.connected();
  await student.figure('Teachers', '0');
  await assertFits(student);
  await student.screenshot('phone-start');
  await teacher.be('teacher', LONG);
  await student.be('student', LONG);
  await assertFits(student);
  await teacher.claim(`Student ${LONG}`);
  await student.talking(`Teacher ${LONG}`);
  await student.write(`Teacher ${LONG}`, 'https:' + LONG.repeat(9));
  await student.write(`Teacher ${LONG}`, 'and words with spaces between them, as people write, for more than one line');
  await teacher.reads(`Student ${LONG}`, 'and words with spaces between them, as people write, for more than one line');
  await assertFits(student);
  await assertFits(teacher);
  // A finger is wider than a mouse pointer.
  for (const button of await student.page.getByRole('button').all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 36, `${await button.innerText()} is ${height} pixels high`);
  }
  await student.chat(`Teacher ${LONG}`).getByRole('button', { name: 'End chat' }).tap();
  await teacher.ended(`Student ${LONG}`);
  await assertFits(teacher);
});

pageTest('a phone shows who talks the chat first', async (t, open) => {
  const server = await Server.start(t);
  const [teacher, student] = [await open(server), await open(server, PHONE)];
  await teacher.be('teacher', 'T');
  await student.be('student', 'S');
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await teacher.write('Student S', 'Good morning! What are we looking at today?');
  await student.reads('Teacher T', 'Good morning! What are we looking at today?');
  await student.write('Teacher T', 'Fractions. I do not see why one divides by turning over.');
  await teacher.reads('Student S', 'Fractions. I do not see why one divides by turning over.');
  const { y, height } = await student.chat('Teacher T').getByRole('textbox').boundingBox();
  assert.ok(y + height <= PHONE.viewport.height, 'the line to write in is on the screen');
  await student.screenshot('phone-chat');
});

pageTest('what is said scrolls in its chat, and the page stays as high as it is', async (t, open) => {
  const { person, stage } = await staged(t, open);
  await person.be('student', 'S');
  stage.push('presence:student:S', 'new:chat', { id: 'c', teacher_id: LONG, student_id: 'S' });
  stage.push('chats:c', 'chat:ready', {});
  await person.talking(`Teacher ${LONG}`);
  for (let number = 1; number <= 60; number++) {
    stage.push('chats:c', 'student:receive', { message: `${number} `.repeat(number === 30 ? 2000 : 1) });
  }
  await person.reads(`Teacher ${LONG}`, '60');
  await assertEnds(person);
  await assertFits(person);
  const log = await person.page.locator('.log').evaluate(({ scrollHeight, scrollTop, clientHeight }) => ({ scrollHeight, scrollTop, clientHeight }));
  assert.ok(log.scrollHeight > 1000, 'there is something to scroll');
  assert.ok(log.scrollHeight - log.scrollTop - log.clientHeight < 2, 'the last line is shown');
  // However long the name is, what stands beside it keeps to one line.
  const { height } = await person.page.locator('.conversation .state').boundingBox();
  assert.ok(height < 30, `the state is ${height} pixels high`);
});

pageTest('every two colours that stand on each other can be read, in the light and in the dark', async (t, open) => {
  const server = await Server.start(t);
  const pictures = [];
  const [teacher, student] = [await open(server), await open(server)];
  await teacher.be('teacher', 'T');
  await student.be('student', 'S');
  await teacher.claim('Student S');
  await student.talking('Teacher T');
  await student.write('Teacher T', 'Can this be read?');
  await teacher.reads('Student S', 'Can this be read?');
  for (const colorScheme of ['light', 'dark']) {
    await teacher.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await student.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const { page } of [teacher, student]) {
      const faint = await page.evaluate(faintTexts);
      assert.deepEqual(faint, [], colorScheme);
    }
    pictures.push(await teacher.page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await teacher.screenshot(`chat-${colorScheme}`);
  }
  assert.notEqual(pictures[0], pictures[1]);
  // Who wants less motion gets none.
  const transition = await teacher.next.evaluate((button) => getComputedStyle(button).transitionDuration);
  assert.equal(transition, '0s');
});

pageTest('the figures of five busy minutes', async (t, open) => {
  for (const colorScheme of ['light', 'dark']) {
    const { person, stage } = await staged(t, open, { colorScheme });
    let [messages, busy_us] = [0, 0];
    for (let second = 1; second <= 300; second++) {
      const load = 1 + Math.sin(second / 25) + (second % 7) / 10;
      messages += Math.round(20_000 * load);
      busy_us += Math.round(150_000 * load);
      const waiting = Math.max(0, Math.round(40 * Math.sin(second / 60)));
      const students = { ...STATS.students, waiting, chatting: Math.min(15, second), finished: second };
      stage.tell({ ...STATS, uptime_ms: 1000 * second, messages, busy_us, students });
    }
    await person.sees('#process', /^Up for 5 min,/);
    assert.deepEqual(await person.page.evaluate(faintTexts), [], colorScheme);
    await assertFits(person);
    await person.screenshot(`start-${colorScheme}`);
  }
});

/** Runs in the page: the texts whose contrast with what they stand on is below 4.5 (WCAG 2, 1.4.3). */
function faintTexts() {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const ground = (part) => {
    const color = channels(getComputedStyle(part).backgroundColor);
    return color[3] === 0 ? ground(part.parentElement) : color;
  };
  const hasText = (part) => [...part.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const isFaint = (part) => {
    const ink = getComputedStyle(part, part.placeholder ? '::placeholder' : null).color;
    const [one, other] = [luminance(channels(ink)), luminance(ground(part))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
  };
  const parts = [...document.querySelectorAll('body *')].filter((part) => part.checkVisibility() && (part.placeholder || hasText(part)));
  return parts.filter(isFaint).map((part) => part.placeholder ?? part.textContent);
}

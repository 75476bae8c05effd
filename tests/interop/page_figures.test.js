'use strict';

// What the page makes of the figures that it is told: here by a server that a test plays.

const assert = require('node:assert/strict');
const { eventually, pageTest } = require('./page/browser.js');
const { STATS, staged } = require('./page/stage.js');

pageTest('figures are shown in words, and rates are made of what grows', async (t, open) => {
  const { person, stage } = await staged(t, open);
  await person.sees('#figures-notice', '');
  stage.tell(STATS);
  await person.figure('Teachers', '3');
  await person.figure('Students waiting', '2,100');
  await person.figure('Messages', '–');
  await person.sees('#figures', /Students waiting 2,100 longest 1 h 2 min/);
  await person.sees('#figures', /1 HTTP, 8 Phoenix, 2 Socket\.IO, 1 Bayeux/);
  await person.sees('#process', 'Up for 1 min 1 s, 1,000,000 messages, 2.5 MiB of memory, 2.0 KiB unsent.');

  // Two seconds, in which 24,690 messages took a quarter of the time.
  stage.tell({ ...STATS, uptime_ms: 63_000, messages: 1_024_690, busy_us: 5_500_000, memory_bytes: null });
  await person.figure('Messages', '12,345');
  await person.figure('Loop busy', '25');
  await person.sees('#process', 'Up for 1 min 3 s, 1,024,690 messages, 2.0 KiB unsent.');
  stage.tell({ ...STATS, uptime_ms: 64_000, messages: 1_024_690, busy_us: 5_504_200 });
  await person.figure('Messages', '0');
  await person.figure('Loop busy', '0.4');
  await person.sees('#figures', /Messages 0\/s peak 12,345\/s /);
  const plot = (label) => person.page.getByRole('img', { name: label });
  await plot('Messages, the last 5 minutes: from 0 to 12,345').waitFor();
  await plot('Teachers, the last 5 minutes: 3 all the time').waitFor();

  // Started anew: nothing of before counts.
  stage.tell({ ...STATS, uptime_ms: 100, messages: 0, busy_us: 50, connections: { total: 0 } });
  await person.figure('Messages', '–');
  stage.tell({ ...STATS, uptime_ms: 1_100, messages: 7, busy_us: 100_050 });
  await person.figure('Messages', '7');
  await person.figure('Loop busy', '10');
});

pageTest('a plot shows the last five minutes and no more', async (t, open) => {
  const { person, stage } = await staged(t, open);
  for (const [seconds, waiting] of [[10, 50], [20, 5], [315, 8]]) {
    stage.tell({ ...STATS, uptime_ms: 1000 * seconds, students: { ...STATS.students, waiting } });
  }
  await person.figure('Students waiting', '8');
  const plot = person.page.getByRole('img', { name: 'Students waiting, the last 5 minutes: from 5 to 8' });
  const line = await plot.locator('.line').getAttribute('d');
  assert.match(line, /^M5\.0 \S+L300\.0 \S+$/, 'one point five seconds from the left, and one at the right end');
});

pageTest('a server without figures is said to have none', async (t, open) => {
  const joined = { status: 'error', response: { reason: 'unmatched topic' } };
  const { person } = await staged(t, open, { joined });
  await person.sees('#figures-notice', 'This server does not tell its figures: unmatched topic.');
  await person.figure('Teachers', '–');
});

pageTest('a heartbeat goes every 30 s, and silence is a lost connection', async (t, open) => {
  const { person, stage } = await staged(t, open);
  const beats = () => stage.frames.filter((frame) => frame === 'phoenix heartbeat').length;
  await person.page.clock.runFor(20_000);
  assert.equal(beats(), 0);
  for (const expected of [1, 2, 3]) {
    await person.page.clock.runFor(30_000);
    await eventually(() => assert.equal(beats(), expected));
    await person.sees('#connection', 'Connected');
  }
  stage.isSilent = true;
  await person.page.clock.runFor(30_000);
  await person.sees('#connection', 'Connected');
  await person.page.clock.pauseAt(Date.now() + 3_600_000);
  await person.sees('#connection', 'Connection lost, reconnecting');
});

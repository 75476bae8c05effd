'use strict';

// A server that a test plays: the page is the real one's, and what it hears is the test's.

const { Server } = require('./browser.js');

const STATS = {
  uptime_ms: 61_000,
  teachers: { total: 3 },
  students: { total: 2109, waiting: 2100, chatting: 6, finished: 3 },
  chats: { total: 26, active: 6, finished: 20 },
  oldest_wait_ms: 3_725_000,
  messages: 1_000_000,
  connections: { total: 12, http: 1, phoenix: 8, 'socket.io': 2, bayeux: 1 },
  busy_us: 5_000_000,
  backlog_bytes: 2048,
  memory_bytes: 2_600_000,
};

/** A page whose socket is a stage: `joined` is what a join is answered with, `push` sends an event and `tell` figures. */
async function staged(t, open, { joined = { status: 'ok', response: {} }, ...options } = {}) {
  const stage = { frames: [], isSilent: false };
  const prepare = async (page) => {
    await page.clock.install();
    await page.routeWebSocket(/\/ws\/websocket\?vsn=2\.0\.0$/, (socket) => {
      stage.push = (topic, event, payload) => socket.send(JSON.stringify([null, null, topic, event, payload]));
      stage.tell = (stats) => stage.push('server:stats', 'stats', stats);
      stage.hangUp = () => socket.close();
      socket.onMessage((text) => {
        const [joinRef, ref, topic, event] = JSON.parse(text);
        stage.frames.push(`${topic} ${event}`);
        if (event === 'phx_join') {
          socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', joined]));
        } else if (event === 'heartbeat' && !stage.isSilent) {
          socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status: 'ok', response: {} }]));
        }
      });
    });
  };
  const person = await open(await Server.start(t), { prepare, ...options });
  await person.connected();
  return { person, stage };
}

module.exports = { STATS, staged };

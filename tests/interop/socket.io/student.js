'use strict';

// A student in a process of its own, to be killed: VERSION URL TRANSPORT, the last empty for the default.
// It tells its parent when it waits, and when it chats over the connection that it keeps.

const { packages } = require('../harness.js');

const [version, url, transport] = process.argv.slice(2);
const io = packages('socket.io')(`socket.io-client-${version}`);
const socket = io(url, { forceNew: true, ...(transport && { transports: [transport] }) });

const upgraded = new Promise((resolve) => {
  socket.on('connect', () => {
    if (transport || socket.io.engine.transport.name === 'websocket') {
      resolve();
    } else {
      socket.io.engine.once('upgrade', resolve);
    }
    socket.emit('presence:student:connect', { userId: 2, role: 'student' }, () => process.send('waiting'));
  });
});

// A client that polls sends its next poll when this is over. The server answers what it is asked after it.
socket.on('presence:new_chat:student:2', async () => {
  await upgraded;
  await new Promise(setImmediate);
  await fetch(url);
  process.send('chatting');
});

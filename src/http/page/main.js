// The page as a whole: the connection, who is here, and what the buttons do.

let user = null;
let hasConnected = false;
let countdown = 0;

const url = new URL('ws/websocket?vsn=2.0.0', location.href);
url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
const socket = new Socket(url, connection);
const figures = new Figures(socket, (stats) => user?.status(stats));

/** The connection has changed: everybody is told, and joins again when there is a new one. */
function connection(state, retryAt) {
  clearInterval(countdown);
  document.querySelector('.connection').dataset.state = state;
  element('retry').hidden = state !== 'lost';
  element('countdown').textContent = '';
  if (state === 'open') {
    hasConnected = true;
    say(element('connection'), 'Connected');
    say(element('join-error'), '');
    figures.connected();
    user?.connected();
  } else if (state === 'lost') {
    say(element('connection'), hasConnected ? 'Connection lost, reconnecting' : 'Cannot connect, trying again');
    figures.disconnected();
    user?.disconnected();
    // Not part of what is read aloud.
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      element('countdown').textContent = `in ${seconds} s`;
    };
    tick();
    countdown = setInterval(tick, 250);
  }
}

function show(someone) {
  user = someone;
  document.body.dataset.role = user?.role ?? '';
  element('start').hidden = user !== null;
  element('user').hidden = user === null;
  if (user === null) {
    document.title = TITLE;
  }
}

async function join(role) {
  const id = element('user-id').value.trim();
  if (id === '') {
    say(element('join-error'), 'An id is more than blanks.');
    return;
  }
  const buttons = element('join').querySelectorAll('button');
  buttons.forEach((button) => (button.ariaDisabled = 'true'));
  say(element('join-error'), '');
  const someone = role === 'teacher' ? new Teacher(socket, id) : new Student(socket, id);
  try {
    await someone.start();
    element('user-heading').textContent = `${role === 'teacher' ? 'Teacher' : 'Student'} ${id}`;
    show(someone);
    element('user-heading').focus();
  } catch (error) {
    say(element('join-error'), joinError(error, id));
    element('user-id').select();
  } finally {
    buttons.forEach((button) => (button.ariaDisabled = 'false'));
  }
}

element('join').addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.submitter.ariaDisabled !== 'true') {
    join(event.submitter.value);
  }
});
element('next').addEventListener('click', () => user.next());
element('leave').addEventListener('click', () => {
  user.leave();
  show(null);
  element('user-id').focus();
});
element('retry').addEventListener('click', () => socket.connect());
addEventListener('online', () => socket.connect());
// Whoever comes back to the page is not to wait for the next attempt.
document.addEventListener('visibilitychange', () => document.hidden || socket.connect());

element('user-id').value = `guest-${1000 + Math.floor(9000 * Math.random())}`;
socket.connect();

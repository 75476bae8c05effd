// Phoenix Channels in serializer version 2: [join_ref, ref, topic, event, payload], each as JSON text.

/** The server closes a socket that says nothing for 60 s. */
const HEARTBEAT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000];

/** A push that was not carried out; the message is the server's reason, in words. */
class Refusal extends Error {}
/** A push of which nobody knows what became of it. */
class Disconnected extends Error {}

/** One WebSocket, opened again whenever it is lost. What was joined on it has to be joined again. */
class Socket {
  #url;
  #tell;
  #webSocket = null;
  #attempts = 0;
  #timer = 0;
  #deadline = 0;
  #lastRef = 0;
  #lastBeat = 0;
  #heartbeat = null;
  /** Pushes by their reference, oldest first, whose fate is not known yet. */
  #pending = new Map();
  /** Channels by their topic. */
  #channels = new Map();

  /** `tell` hears "connecting", "open" and "lost", the latter with the time of the next attempt. */
  constructor(url, tell) {
    this.#url = url;
    this.#tell = tell;
    // A tab in the background has slow timers; the figures, which come each second, keep it awake.
    setInterval(() => this.#beatIfDue(), HEARTBEAT_MS / 6);
  }

  connect() {
    clearTimeout(this.#timer);
    if (this.#webSocket) {
      return;
    }
    this.#tell('connecting');
    const webSocket = (this.#webSocket = new WebSocket(this.#url));
    webSocket.onopen = () => {
      clearTimeout(this.#deadline);
      this.#attempts = 0;
      this.#lastBeat = Date.now();
      this.#tell('open');
    };
    webSocket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    webSocket.onclose = ({ reason }) => this.#lost(reason);
    this.#deadline = setTimeout(() => this.#lost(), CONNECT_TIMEOUT_MS);
  }

  get isOpen() {
    return this.#webSocket?.readyState === WebSocket.OPEN;
  }

  channel(topic, payload) {
    return new Channel(this, topic, payload);
  }

  /** Resolves once the server has handled all that was pushed before. */
  settle() {
    return this.push(null, this.makeRef(), 'phoenix', 'heartbeat', {});
  }

  makeRef() {
    return String(++this.#lastRef);
  }

  /** Sends a frame. The promise is kept by its reply or, if it has none, by that of a later frame. */
  push(joinRef, ref, topic, event, payload) {
    if (!this.isOpen) {
      return Promise.reject(new Disconnected('not connected'));
    }
    this.#webSocket.send(JSON.stringify([joinRef, ref, topic, event, payload]));
    return new Promise((resolve, reject) => this.#pending.set(ref, { resolve, reject }));
  }

  listen(channel) {
    this.#channels.set(channel.topic, channel);
  }

  unlisten(channel) {
    if (this.#channels.get(channel.topic) === channel) {
      this.#channels.delete(channel.topic);
    }
  }

  #receive([, ref, topic, event, payload]) {
    if (event === 'phx_reply') {
      this.#settle(ref, payload);
    } else {
      this.#channels.get(topic)?.receive(event, payload);
    }
    this.#beatIfDue();
  }

  /** Frames are handled in their order, and a push that succeeds is not replied to: by this reply all the
   *  earlier ones are known to have succeeded. */
  #settle(ref, { status, response }) {
    for (const [other, { resolve, reject }] of this.#pending) {
      if (Number(other) > Number(ref)) {
        break;
      }
      this.#pending.delete(other);
      if (other === ref && status !== 'ok') {
        reject(new Refusal(response.reason ?? status));
      } else {
        resolve();
      }
    }
  }

  #beatIfDue() {
    if (!this.isOpen || Date.now() - this.#lastBeat < HEARTBEAT_MS) {
      return;
    }
    if (this.#heartbeat) {
      this.#lost();
      return;
    }
    this.#lastBeat = Date.now();
    this.#heartbeat = this.settle();
    this.#heartbeat.then(() => (this.#heartbeat = null), () => {});
  }

  /** `reason` is the server's, if it gave one. */
  #lost(reason = '') {
    const webSocket = this.#webSocket;
    clearTimeout(this.#deadline);
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null;
    webSocket.close();
    this.#webSocket = null;
    this.#heartbeat = null;
    this.#channels.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    const why = reason === '' ? 'the connection was lost' : `the server closed the connection (${reason})`;
    pending.forEach(({ reject }) => reject(new Disconnected(why)));

    const delay = RETRY_MS[Math.min(this.#attempts++, RETRY_MS.length - 1)];
    // Not all pages at once, when a server comes back.
    const wait = delay * (0.8 + 0.4 * Math.random());
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#tell('lost', Date.now() + wait);
  }
}

/** One topic on a socket. */
class Channel {
  #socket;
  #payload;
  #joinRef = null;
  #handlers = new Map();

  constructor(socket, topic, payload) {
    this.#socket = socket;
    this.topic = topic;
    this.#payload = payload;
  }

  on(event, handler) {
    this.#handlers.set(event, handler);
    return this;
  }

  /** Joins, also again on a new connection. */
  join() {
    this.#socket.listen(this);
    this.#joinRef = this.#socket.makeRef();
    return this.#socket.push(this.#joinRef, this.#joinRef, this.topic, 'phx_join', this.#payload).catch((error) => {
      this.#socket.unlisten(this);
      throw error;
    });
  }

  /** Pushes what is answered only if it is refused, and asks at once what became of it: whatever is unknown when
   *  the connection goes would have to be called lost. */
  push(event, payload) {
    const pushed = this.#socket.push(this.#joinRef, this.#socket.makeRef(), this.topic, event, payload);
    this.#socket.settle().catch(() => {});
    return pushed;
  }

  /** Leaves. There is nothing to do about one that fails: it was not joined any more. */
  leave() {
    this.#socket.unlisten(this);
    this.#socket.push(this.#joinRef, this.#socket.makeRef(), this.topic, 'phx_leave', {}).catch(() => {});
  }

  receive(event, payload) {
    this.#handlers.get(event)?.(payload);
  }
}

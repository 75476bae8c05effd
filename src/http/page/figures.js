/** Two statistics closer together than this give no rate that means anything. */
const SHORTEST_STEP_MS = 500;

const PROTOCOLS = { http: 'HTTP', phoenix: 'Phoenix', 'socket.io': 'Socket.IO', bayeux: 'Bayeux' };

/** What is shown: a value of the latest statistics and those before them. Below stands a detail or, if there
 *  is none to tell, the scale of the plot. */
const FIGURES = [
  { label: 'Teachers', value: (now) => now.teachers.total },
  {
    label: 'Students waiting',
    value: (now) => now.students.waiting,
    detail: (now) => (now.students.waiting > 0 ? `longest ${duration(now.oldest_wait_ms)}` : null),
  },
  { label: 'Students chatting', value: (now) => now.students.chatting },
  { label: 'Students finished', value: (now) => now.students.finished },
  { label: 'Chats', value: (now) => now.chats.active, detail: (now) => `${whole(now.chats.finished)} finished` },
  {
    label: 'Messages',
    unit: '/s',
    value: (now, before) => (1000 * (now.messages - before.messages)) / (now.uptime_ms - before.uptime_ms),
    isRate: true,
  },
  { label: 'Connections', value: (now) => now.connections.total, detail: ({ connections }) => protocols(connections) },
  {
    label: 'Loop busy',
    unit: '%',
    value: (now, before) => (now.busy_us - before.busy_us) / (now.uptime_ms - before.uptime_ms) / 10,
    format: (percent) => (percent < 10 ? percent.toFixed(1) : whole(percent)),
    isRate: true,
  },
];

function protocols({ total, ...counts }) {
  const some = Object.entries(counts).filter(([, number]) => number > 0);
  return some.map(([name, number]) => `${whole(number)}\u00a0${PROTOCOLS[name] ?? name}`).join(', ');
}

/** One figure: its value now, and how it was. */
class Figure {
  #samples = [];

  constructor(figure) {
    this.figure = figure;
    this.root = stamp('figure-template');
    this.root.querySelector('h3').textContent = figure.label;
    this.root.querySelector('.unit').textContent = figure.unit ?? '';
    this.number = this.root.querySelector('.number');
    this.plot = new Plot(this.root.querySelector('svg'), figure.label);
    this.plot.clear();
  }

  add(now, before) {
    const { value, format = whole, unit = '', detail, isRate } = this.figure;
    if (!isRate || before) {
      this.#samples.push({ at: now.uptime_ms / 1000, value: value(now, before) });
      while (this.#samples[0].at < now.uptime_ms / 1000 - WINDOW_S) {
        this.#samples.shift();
      }
      say(this.number, format(this.#samples.at(-1).value));
      const most = Math.max(...this.#samples.map((sample) => sample.value));
      say(this.root.querySelector('.detail'), detail?.(now) ?? `peak ${format(most)}${unit}`);
      if (!document.hidden) {
        this.plot.draw(this.#samples, format);
      }
    }
  }

  clear() {
    this.#samples = [];
    this.number.textContent = '–';
    this.root.querySelector('.detail').textContent = '';
    this.plot.clear();
  }
}

/** The server's figures, as its read-only topic tells them each second. */
class Figures {
  #channel;
  #figures = FIGURES.map((figure) => new Figure(figure));
  #before = null;

  /** `hear` is told each of the statistics, too. */
  constructor(socket, hear) {
    this.#channel = socket.channel('server:stats', {}).on('stats', (stats) => {
      this.#show(stats);
      hear(stats);
    });
    element('figures').append(...this.#figures.map(({ root }) => root));
  }

  async connected() {
    try {
      await this.#channel.join();
      this.#say('');
    } catch (error) {
      if (error instanceof Refusal) {
        this.#say(`This server does not tell its figures: ${error.message}.`);
      }
    }
  }

  disconnected() {
    // Who has the page and no socket is most likely kept out on purpose.
    const hint = `Does the server allow the origin ${location.origin}, and does every proxy before it let WebSockets through?`;
    this.#say(`Not connected${this.#before ? ': these figures are the last that came.' : `. ${hint}`}`);
  }

  #show(stats) {
    let before = this.#before;
    const step = before && stats.uptime_ms - before.uptime_ms;
    // A server that was started anew counts from zero again.
    if (before && (step < 0 || stats.messages < before.messages)) {
      this.#figures.forEach((figure) => figure.clear());
      before = null;
    } else if (before && step < SHORTEST_STEP_MS) {
      return;
    }
    this.#figures.forEach((figure) => figure.add(stats, before));
    this.#before = stats;
    const { uptime_ms, messages, memory_bytes, backlog_bytes } = stats;
    // Not every system tells a process's memory.
    const memory = memory_bytes === null ? [] : [`${bytes(memory_bytes)} of memory`];
    const parts = [duration(uptime_ms), count(messages, 'message'), ...memory, `${bytes(backlog_bytes)} unsent`];
    say(element('process'), `Up for ${parts.join(', ')}.`);
  }

  #say(text) {
    say(element('figures-notice'), text);
    element('figures').classList.toggle('stale', text !== '');
    if (text !== '' && !this.#before) {
      element('process').textContent = '';
    }
  }
}

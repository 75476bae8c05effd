/** The most lines that a conversation shows: the oldest go. */
const MAX_LINES = 500;
/** The longest message, in UTF-16 code units: within the 64 KiB that a server takes by default, however escaped. */
const MAX_LENGTH = 4_000;
/** As much of a message as says which one is meant. */
const QUOTED_LENGTH = 60;

/** One chat on the page: entered, talked in, and ended, by either side. */
class Conversation {
  #channel;
  #role;
  #other;
  #hear;
  #root = stamp('conversation-template');
  #part = (selector) => this.#root.querySelector(selector);
  #isOver = false;

  /** `chat` is as the server announced it; `hear` is told when it is over, and when it is put away. */
  constructor(socket, role, user, chat, hear) {
    this.#role = role;
    this.id = chat.id;
    const [title, other] = role === 'teacher' ? ['Student', chat.student_id] : ['Teacher', chat.teacher_id];
    this.#other = `${title} ${other}`;
    this.#hear = hear;
    this.#channel = socket
      .channel(`chats:${chat.id}`, { userId: user, role })
      .on('chat:ready', () => this.#ready())
      .on(`${role}:receive`, (payload) => this.#receive(payload))
      .on('chat:terminated', () => this.end('This chat is over.'));

    this.#part('h3').textContent = this.#other;
    this.#root.setAttribute('aria-label', `Chat with ${this.#other}`);
    this.#part('.log').setAttribute('aria-label', `Messages with ${this.#other}`);
    this.#input.setAttribute('aria-label', `Message to ${this.#other}`);
    this.#part('.end').setAttribute('aria-label', `End chat with ${this.#other}`);
    this.#part('.close').setAttribute('aria-label', `Close the chat with ${this.#other}`);
    this.#state('entering');
    this.#part('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#part('.end').addEventListener('click', () => this.#push('chat:terminate', {}));
    this.#part('.close').addEventListener('click', () => this.#hear('closed', this));
    for (const event of ['focusin', 'pointerdown']) {
      this.#root.addEventListener(event, () => (this.#part('.unread').hidden = true));
    }
  }

  get root() {
    return this.#root;
  }

  get isOver() {
    return this.#isOver;
  }

  get #input() {
    return this.#part('input');
  }

  async enter() {
    try {
      await this.#channel.join();
      this.#push(`${this.#role}:joined`, {});
    } catch (error) {
      // Whoever is quick may end a chat before the other one has entered it.
      this.end(`This chat was over before it began: ${error.message}.`);
    }
  }

  /** The chat is over; what was said stays. */
  end(reason) {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    const hadFocus = this.#root.contains(document.activeElement);
    this.#channel.leave();
    this.#note(reason);
    const draft = this.#input.value.trim();
    if (draft !== '') {
      this.#note(`Not sent: “${draft}”`);
    }
    this.#state('over');
    this.#enable(false);
    this.#part('.end').hidden = true;
    this.#part('.close').hidden = this.#role === 'student';
    this.#part('form').hidden = true;
    if (hadFocus) {
      // Not to a button: whoever is writing just now would press it.
      this.#part('.log').focus();
    }
    this.#hear('over', this);
  }

  #ready() {
    this.#state('talking');
    this.#note(`${this.#other} is here.`);
    this.#enable(true);
    if (!isInChat()) {
      this.#input.focus();
    }
  }

  #send() {
    const text = this.#input.value.trim();
    if (text === '' || this.#isOver) {
      return;
    }
    if (text.length > MAX_LENGTH) {
      this.#note(`That is ${whole(text.length)} characters long, and ${whole(MAX_LENGTH)} are the most.`);
      return;
    }
    this.#input.value = '';
    const line = this.#line('mine', 'You', text);
    this.#channel.push(`${this.#role}:send`, { message: text }).catch((error) => {
      line.classList.add('failed');
      const fate = error instanceof Refusal ? 'did not go out' : 'may not have gone out';
      const quoted = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH).trim()}…` : text;
      this.#note(`“${quoted}” ${fate}: ${error.message}.`);
    });
  }

  #receive(payload) {
    // Other clients may send whatever object they like.
    const text = typeof payload.message === 'string' ? payload.message : JSON.stringify(payload);
    this.#line('theirs', this.#other, text);
    this.#part('.unread').hidden = this.#root.contains(document.activeElement);
  }

  /** What comes to nothing because the chat is over needs no other word. */
  #push(event, payload) {
    this.#channel.push(event, payload).catch((error) => {
      if (!this.#isOver) {
        this.#note(`That was refused: ${error.message}.`);
      }
    });
  }

  #note(text) {
    this.#line('note', '', text);
  }

  #line(kind, who, text) {
    const log = this.#part('.log');
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    const line = document.createElement('p');
    line.className = kind;
    if (who !== '') {
      const name = document.createElement('span');
      name.className = 'who';
      name.textContent = `${who}: `;
      line.append(name);
    }
    line.append(text);
    log.append(line);
    if (log.childElementCount > MAX_LINES) {
      log.firstElementChild.remove();
    }
    if (isAtEnd || kind === 'mine') {
      log.scrollTop = log.scrollHeight;
    }
    return line;
  }

  #state(state) {
    this.#root.dataset.state = state;
    this.#part('.state').textContent = state;
  }

  #enable(isEnabled) {
    this.#input.disabled = !isEnabled;
    this.#part('form button').disabled = !isEnabled;
  }
}

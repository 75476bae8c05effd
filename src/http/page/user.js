/** How long to wait before asking again for an id that the lost connection may still hold. */
const REJOIN_MS = 2_000;

/** The most chats that are over and still shown: the oldest go. */
const MAX_OVER = 20;

/** Why somebody cannot come on line, said so that it helps. */
function joinError(error, id) {
  if (error.message === 'id is in use') {
    return `The id “${id}” is in use: choose another one.`;
  }
  return error instanceof Refusal ? `The server refused: ${error.message}.` : 'Not connected. Try again in a moment.';
}

/** What teacher and student have in common: being on line, and chats. */
class User {
  conversations = new Map();
  #socket;
  #timer = 0;
  #hasLeft = false;

  constructor(socket, id, role, topic, newChat) {
    this.#socket = socket;
    this.id = id;
    this.role = role;
    this.presence = socket.channel(topic, { userId: id, role }).on(newChat, (chat) => this.#begin(chat));
  }

  /** Comes on line, for the first time; fails if the server does not want it. */
  async start() {
    await this.presence.join();
    if (!this.#hasLeft) {
      this.online();
    }
  }

  /** Comes on line again. */
  async connected() {
    try {
      await this.start();
    } catch (error) {
      if (error instanceof Refusal && !this.#hasLeft) {
        this.notice(`${joinError(error, this.id)} Asking again.`);
        this.#timer = setTimeout(() => this.connected(), REJOIN_MS);
      }
    }
  }

  /** The server ends a user's chats when the connection goes. */
  disconnected() {
    clearTimeout(this.#timer);
    for (const conversation of this.conversations.values()) {
      conversation.end('The connection was lost, and this chat is over by that.');
    }
    this.offline();
    this.notice('Not connected.');
  }

  leave() {
    this.#hasLeft = true;
    clearTimeout(this.#timer);
    this.presence.leave();
    for (const conversation of this.conversations.values()) {
      conversation.end('You left.');
    }
    this.offline();
    this.clear();
  }

  /** Whether it was carried out, once that is known. */
  async push(event, payload) {
    try {
      await this.presence.push(event, payload);
      return true;
    } catch (error) {
      // That there is no connection is said already.
      if (error instanceof Refusal) {
        this.notice(`That was refused: ${error.message}.`);
      }
      return false;
    }
  }

  /** Also in the title, for who looks at another tab just now. */
  notice(text) {
    say(element('notice'), text);
    document.title = `${text} · ${TITLE}`;
  }

  /** Puts all chats away. */
  clear() {
    this.conversations.clear();
    element('conversations').replaceChildren();
  }

  #begin(chat) {
    this.begin();
    const hear = (what, conversation) => (what === 'over' ? this.#over() : this.#close(conversation));
    const conversation = new Conversation(this.#socket, this.role, this.id, chat, hear);
    this.conversations.set(conversation.id, conversation);
    element('conversations').append(conversation.root);
    conversation.enter();
  }

  #over() {
    const over = [...this.conversations.values()].filter(({ isOver }) => isOver);
    over.slice(0, -MAX_OVER).forEach((conversation) => this.#remove(conversation));
    this.over();
  }

  #close(conversation) {
    this.#remove(conversation);
    element('next').focus();
  }

  #remove(conversation) {
    this.conversations.delete(conversation.id);
    conversation.root.remove();
  }
}

/** A teacher takes students from the queue, and talks with several at a time. */
class Teacher extends User {
  /** How many wait, as far as is known. */
  #waiting = null;
  #claims = 0;
  #isOnline = false;

  constructor(socket, id) {
    super(socket, id, 'teacher', 'presence:teachers', `new:chat:${id}`);
    this.presence.on('user:status', (status) => this.status(status));
    element('next').textContent = 'Claim next student';
    element('next').hidden = false;
  }

  online() {
    this.#isOnline = true;
    this.#show();
  }

  offline() {
    this.#isOnline = false;
    this.#waiting = null;
    this.#allow(false);
  }

  status({ students }) {
    const isNews = students.waiting !== this.#waiting;
    this.#waiting = students.waiting;
    if (this.#isOnline && isNews) {
      this.#show();
    }
  }

  /** The server says nothing when it has nobody to give, or the teacher has chats enough. */
  async next() {
    if (element('next').ariaDisabled === 'true') {
      return;
    }
    const claims = this.#claims;
    // Once that is known, the claim has had its chat or will have none.
    const isDone = await this.push('claim:student', { teacherId: this.id });
    if (isDone && this.#isOnline && this.#claims === claims) {
      const isFull = this.#waiting > 0;
      this.notice(isFull ? 'No chat came of it: you have as many as you may.' : 'Nobody was waiting just then.');
    }
  }

  begin() {
    this.#claims++;
  }

  over() {
    this.#show();
  }

  #show() {
    this.#allow(this.#waiting !== 0);
    if (this.#waiting === null) {
      this.notice('You are on line.');
    } else if (this.#waiting === 0) {
      this.notice('Nobody is waiting. The button comes alive when somebody does.');
    } else {
      this.notice(`${count(this.#waiting, 'student is', 'students are')} waiting.`);
    }
  }

  /** Not the attribute `disabled`, by which the button would lose the keyboard's focus. */
  #allow(isAllowed) {
    element('next').ariaDisabled = String(!isAllowed);
  }
}

/** A student queues up, has one chat, and may queue up again. */
class Student extends User {
  /** Whether the student wants a chat, and has to be in the queue for it. */
  #isWaiting = true;

  constructor(socket, id) {
    super(socket, id, 'student', `presence:student:${id}`, 'new:chat');
    element('next').textContent = 'Next chat';
    element('next').ariaDisabled = 'false';
  }

  online() {
    if (this.#isWaiting) {
      this.#queue();
    } else {
      this.#pause();
    }
  }

  offline() {
    element('next').hidden = true;
  }

  status() {}

  next() {
    this.#isWaiting = true;
    this.clear();
    this.#queue();
    element('user-heading').focus();
  }

  begin() {
    this.#isWaiting = false;
    this.clear();
    this.notice('A teacher has come.');
  }

  over() {
    this.#pause();
  }

  #queue() {
    element('next').hidden = true;
    this.push('student:ready', { userId: this.id });
    this.notice('You are in the queue. A teacher will come.');
  }

  #pause() {
    element('next').hidden = false;
    this.notice('The chat is over. Have another one, or leave.');
  }
}

// One room: its messages in order, who is there, and the list element that shows it.

const SAME_SPEAKER_MS = 5 * 60 * 1000;
const MOST_ENTRIES = 5000;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function hueOf(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  return hash % 360;
}

export function initialsOf(name) {
  const words = name.split(/[\s_.-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...word][0]) : [...name].slice(0, 2);
  return letters.join('').toUpperCase();
}

export function avatar(name, node = element('span', 'avatar')) {
  node.textContent = name === '' ? '?' : initialsOf(name);
  node.style.setProperty('--hue', hueOf(name));
  node.setAttribute('aria-hidden', 'true');
  return node;
}

function dayName(time) {
  const day = new Date(time).toDateString();
  if (day === new Date().toDateString()) return 'Today';
  if (day === new Date(Date.now() - 86400000).toDateString()) return 'Yesterday';
  return calendar.format(time);
}

export function textOf(data) {
  if (typeof data === 'string') return data;
  if (typeof data?.text === 'string') return data.text;
  return JSON.stringify(data);
}

const EVENTS = {
  created: ({ by }) => `${by} made this group`,
  added: ({ by, user }) => `${by} added ${user}`,
  left: ({ by }) => `${by} left the group`,
  removed: ({ by, user }) => `${by} removed ${user}`,
  restored: ({ by, user }) => `${by} lets ${user} come back`,
};

/** What happened in the room, if the server itself says so; clients' publications always have an info. */
export function eventOf({ data, info }) {
  return info === undefined && Object.hasOwn(EVENTS, data?.event) ? data : null;
}

/** The other one of the two whom a channel of direct messages is named after. */
function partnerIn(name, me) {
  const users = name.slice(name.indexOf(':') + 1).split(',');
  return users.map((user) => user.replace(/%(2C|25)/g, (code) => (code === '%2C' ? ',' : '%'))).find((user) => user !== me);
}

export class Room {
  entries = []; // { offset, user, text, time, node, day }; an event has no user and text; a note has only a node
  people = new Map(); // user -> sessions; '' stands for the guests
  pending = new Map(); // id -> { data, node, sending, taken } of own messages that have not come back yet
  top = 0; // the newest offset there is
  seen = 0; // the offset up to which the user has read
  acked = -1; // likewise, as the broker knows it from here
  closed = ''; // why the user cannot be in this room
  members = null; // of a group
  oldest = Infinity;
  newest = 0;
  atBottom = true;
  scrollTop = 0;
  complete = undefined; // whether there is nothing older at the server; not known yet
  unreadLine = null;

  constructor(channel, me, title) {
    this.channel = channel;
    this.name = channel.name;
    this.kind = this.name.slice(0, this.name.indexOf(':')); // public, chat, group, dm
    this.me = me;
    this.title = title || this.#ownTitle();
    this.list = element('ol', 'messages');
    this.list.setAttribute('role', 'log');
    this.list.setAttribute('aria-label', `Messages in ${this.title}`);
  }

  get unread() {
    return Math.max(0, this.top - this.seen);
  }

  /** Whom a moderator has removed and not let back in, as far as the messages here tell. */
  get removed() {
    const users = new Set();
    for (const { event } of this.entries) {
      if (event?.event === 'removed') users.add(event.user);
      else if (event) users.delete(event.user);
    }
    return [...users];
  }

  get peopleCount() {
    let count = 0;
    for (const [user, sessions] of this.people) count += user === '' ? sessions : 1;
    return count;
  }

  /** A publication as it came; false if it is here already. */
  add(publication) {
    const entry = this.#entry(publication);
    if (entry.offset !== undefined && entry.offset <= this.newest) return false;
    this.#confirm(publication);
    this.#append(entry);
    this.newest = entry.offset ?? this.newest;
    this.top = Math.max(this.top, this.newest);
    this.oldest = Math.min(this.oldest, entry.offset ?? Infinity);
    return true;
  }

  /** Publications of the history, oldest first, all before or among those that are here. */
  addHistory(publications) {
    const block = publications.filter(({ offset }) => offset < this.oldest).map((each) => this.#entry(each));
    publications.forEach((each) => this.#confirm(each));
    if (block.length === 0) return;
    const next = this.entries[0];
    const fragment = document.createDocumentFragment();
    block.forEach((entry) => fragment.append(entry.node));
    this.list.insertBefore(fragment, next?.day ?? next?.node ?? this.#end());
    this.entries.unshift(...block);
    for (let i = 0; i <= block.length && i < this.entries.length; i++) this.#decorate(i);
    this.oldest = block[0].offset;
    this.newest = Math.max(this.newest, block.at(-1).offset);
  }

  /** A line that is no message. */
  note(text, className = '') {
    this.#append({ node: element('li', `note ${className}`, text) });
  }

  /** Something is missing here: what is shown stays, and everything from now on comes below this line. */
  breakOff(text) {
    this.list.insertBefore(element('li', 'note bad', text), this.#end());
    this.entries = [];
    this.oldest = Infinity;
    this.newest = 0;
    this.complete = undefined;
  }

  /** Offsets begin anew: what is here stays, as another time's. */
  restart() {
    this.newest = this.top = this.seen = 0;
    this.acked = -1;
    this.complete = true;
  }

  /** Show an own message before the server has it. */
  addPending(id, data) {
    const node = this.#node({ user: this.me, text: data.text, time: Date.now() });
    node.classList.add('pending');
    this.list.append(node);
    const waiting = { id, data, node, sending: false, taken: false };
    this.pending.set(id, waiting);
    return waiting;
  }

  /** The server may have lost what it had. */
  forgetTaken() {
    for (const waiting of this.pending.values()) waiting.taken = false;
  }

  /** Draw the line above what is new. */
  showUnreadLine() {
    const first = this.unread > 0 && this.entries.find(({ offset }) => offset > this.seen);
    if (!first) return;
    this.hideUnreadLine();
    this.unreadLine = element('li', 'unread-line', 'New');
    (first.day ?? first.node).before(this.unreadLine);
  }

  hideUnreadLine() {
    this.unreadLine?.remove();
    this.unreadLine = null;
  }

  #ownTitle() {
    if (this.kind === 'group') return 'Group';
    return this.kind === 'dm' ? partnerIn(this.name, this.me) : this.name.slice(this.name.indexOf(':') + 1);
  }

  #entry(publication) {
    const { offset, data, info, time } = publication;
    const event = eventOf(publication);
    if (event) return { offset, event, time: time ?? Date.now(), node: element('li', 'note', EVENTS[event.event](event)) };
    const entry = { offset, user: info?.user ?? null, text: textOf(data), time: time ?? Date.now() };
    entry.moderator = info?.info?.moderator === true;
    entry.node = this.#node(entry);
    if (offset !== undefined) entry.node.dataset.offset = offset;
    return entry;
  }

  #node({ user, text, time, moderator }) {
    const node = element('li', 'message');
    const body = element('div', 'body');
    const head = element('div', 'head');
    const name = user === null ? 'Announcement' : user === '' ? 'Guest' : user;
    const when = element('time', '', clock.format(time));
    when.dateTime = new Date(time).toISOString();
    when.title = new Date(time).toLocaleString();
    head.append(element('span', 'name', name), ...(moderator ? [element('span', 'tag', 'moderator')] : []), when);
    body.append(head, element('p', 'text', text));
    if (user !== this.me || user === '') node.append(avatar(user ?? 'News'));
    else node.classList.add('own');
    if (user === null) node.classList.add('host');
    node.style.setProperty('--hue', hueOf(user ?? 'News'));
    node.append(body);
    return node;
  }

  #confirm({ data, info }) {
    const waiting = info?.user === this.me && this.pending.get(data?.id);
    if (!waiting) return;
    waiting.node.remove();
    this.pending.delete(data.id);
  }

  // Own messages without an answer are below everything else.
  #end() {
    return this.pending.values().next().value?.node ?? null;
  }

  #append(entry) {
    this.list.insertBefore(entry.node, this.#end());
    this.entries.push(entry);
    this.#decorate(this.entries.length - 1);
    if (this.entries.length > MOST_ENTRIES && this.atBottom) this.#trim();
  }

  #trim() {
    for (const { node, day } of this.entries.splice(0, this.entries.length - MOST_ENTRIES + 500)) {
      node.remove();
      day?.remove();
    }
    this.oldest = this.entries.find(({ offset }) => offset !== undefined)?.offset ?? Infinity;
    this.#decorate(0);
  }

  // The name is shown once for messages in a row, the day above its first message.
  #decorate(index) {
    const entry = this.entries[index];
    if (entry.time === undefined) return;
    const before = this.entries.slice(0, index).findLast(({ time }) => time !== undefined);
    const sameDay = before && new Date(before.time).toDateString() === new Date(entry.time).toDateString();
    entry.day?.remove();
    entry.day = undefined;
    if (!sameDay) {
      entry.day = element('li', 'day', dayName(entry.time));
      entry.node.before(entry.day);
    }
    const previous = this.entries[index - 1];
    entry.node.classList.toggle(
      'continued',
      sameDay === true && previous === before && !entry.event && before.user === entry.user && entry.time - before.time < SAME_SPEAKER_MS,
    );
  }
}

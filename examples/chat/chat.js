// The page: signing in, the list of rooms, the room that is open, and the state of the connection.
import { RelayError } from './client.js';
import { askForGroup, showPeople as fillPeople } from './people.js';
import { Room, avatar, element, eventOf } from './room.js';

const sdk = new URLSearchParams(location.search).get('sdk');
const { RelayClient } = await import(sdk === 'centrifuge' ? './sdk_client.js' : './client.js');

const HISTORY_PAGE = 100;
const ACK_PAUSE = 300;
const NEAR_BOTTOM = 60;
const PRESENCE_EVERY = 30000;
const LISTS = { public: 'rooms', chat: 'rooms', group: 'groups', dm: 'dms' };
const SIGILS = { public: '\u00bb', chat: '#', group: '\u25c7' };
const ALWAYS_THERE = ['public:news', 'chat:lobby'];

const $ = (id) => document.getElementById(id);
const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

let client;
let me = '';
let moderator = false;
let active = null;
let banner = { timer: null, tick: null };
let reconnected = { recovered: 0, rooms: 0, lost: 0 };
const rooms = new Map();
const moderators = new Set();

/* ---- signing in ---- */

function start() {
  const given = new URLSearchParams(location.search).get('user');
  const known = given ?? sessionStorage.getItem('user');
  $('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const name = $('login-name').value.trim();
    if (name) enter(name);
  });
  $('login-guest').addEventListener('click', () => enter(''));
  if (known !== null) enter(known);
  else showLogin();
}

function showLogin() {
  $('login').hidden = false;
  $('login-name').focus();
}

function enter(name) {
  me = name;
  sessionStorage.setItem('user', name);
  $('login').hidden = true;
  $('app').hidden = false;
  $('me-name').textContent = name || 'Guest';
  avatar(name, $('me-avatar'));
  for (const part of document.querySelectorAll('.for-users')) part.hidden = name === '';

  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  client = new RelayClient(`${scheme}://${location.host}/ws`, { token: name });
  client.on('state', showState).on('enlisted', ({ name: channel }) => rooms.has(channel) || addRoom(channel));
  for (const [channel, title] of savedRooms()) addRoom(channel, title);
  if (name !== '') listenToOwnChannel();
  openRoom(rooms.get(sessionStorage.getItem('room')) ?? [...rooms.values()].at(name === '' ? 0 : 1));
  client.connect();
  setInterval(() => active.kind === 'public' && readPresence(active), PRESENCE_EVERY);
}

function savedRooms() {
  if (me === '') return [['public:news']];
  try {
    return JSON.parse(sessionStorage.getItem('rooms')) ?? ALWAYS_THERE.map((name) => [name]);
  } catch {
    return ALWAYS_THERE.map((name) => [name]);
  }
}

function saveRooms() {
  sessionStorage.setItem('rooms', JSON.stringify([...rooms.values()].map(({ name, title }) => [name, title])));
}

/* ---- rooms ---- */

function addRoom(name, title) {
  const channel = client.channel(name);
  const room = new Room(channel, me, title);
  rooms.set(name, room);
  room.button = roomButton(room);
  $(LISTS[room.kind]).append(room.button.item);
  if (channel.room) {
    channel.room.current = room;
  } else {
    channel.room = { current: room };
    listen(channel);
  }
  channel.subscribe();
  saveRooms();
  showUnread();
  return room;
}

function listen(channel) {
  const room = () => channel.room.current;
  channel
    .on('position', (position) => placed(room(), position))
    .on('subscribed', (details) => synchronize(room(), details))
    .on('restart', () => room().restart())
    .on('gap', () => room().breakOff('Not everything could be recovered; the history was read again.'))
    .on('message', (publication) => received(room(), publication))
    .on('join', (info) => cameOrWent(room(), info, true))
    .on('leave', (info) => cameOrWent(room(), info, false))
    .on('unsubscribed', () => shutOut(room()))
    .on('error', (error) => shutOut(room(), error));
}

function roomButton(room) {
  const item = element('li');
  const button = element('button', 'room-button');
  const label = element('span', 'label', room.title);
  const badge = element('span', 'badge');
  button.type = 'button';
  button.append(room.kind === 'dm' ? avatar(room.title) : element('span', 'sigil', SIGILS[room.kind]), label, badge);
  button.addEventListener('click', () => {
    openRoom(room);
    closeDrawers();
  });
  item.append(button);
  if (!ALWAYS_THERE.includes(room.name) && room.kind !== 'dm') {
    const leave = element('button', 'leave', '\u2715');
    leave.type = 'button';
    leave.setAttribute('aria-label', `Leave ${room.title}`);
    leave.addEventListener('click', () => leaveRoom(room));
    item.append(leave);
  }
  return { item, button, label, badge };
}

async function leaveRoom(room) {
  if (room.kind === 'group') {
    room.leaving = true;
    if (!(await call('leave_group', { channel: room.name }))) return;
  }
  dropRoom(room);
}

function dropRoom(room) {
  if (rooms.get(room.name) !== room) return;
  room.channel.unsubscribe();
  room.button.item.remove();
  rooms.delete(room.name);
  saveRooms();
  if (active === room) openRoom(rooms.get('chat:lobby'));
}

/** Call a method of the server; null, and what was wrong is shown, if that fails. */
async function call(method, data) {
  try {
    return (await client.rpc(method, data)) ?? {};
  } catch (error) {
    showBanner('bad', `That did not work: ${error.message}.`, { hideAfter: 8000 });
    return null;
  }
}

function openRoom(room) {
  if (active && active !== room) {
    active.hideUnreadLine();
    active.scrollTop = $('scroll').scrollTop;
    active.draft = $('composer-text').value;
  }
  active = room;
  sessionStorage.setItem('room', room.name);
  for (const { button } of rooms.values()) button.button.removeAttribute('aria-current');
  room.button.button.setAttribute('aria-current', 'page');
  $('composer-text').value = room.draft ?? '';
  $('scroll').querySelector('.messages').replaceWith(room.list);
  showHead();
  look();
  showUnread();
  showPeople();
  showOlder();
  growComposer();
  if (room.atBottom) toBottom();
  else $('scroll').scrollTop = room.scrollTop;
  if (!$('composer').hidden && matchMedia('(pointer: fine)').matches) $('composer-text').focus();
}

function showHead() {
  const { title, kind, closed } = active;
  const topics = {
    public: 'Announcements by the server',
    chat: 'Everybody with a name may write here',
    group: 'A group: only its members can read this',
    dm: `Only you and ${title} can read this`,
  };
  $('room-name').textContent = title;
  $('room-topic').textContent = topics[kind];
  $('composer').hidden = closed !== '' || me === '' || (kind === 'public' && !moderator);
  $('composer-text').placeholder = `Message ${kind === 'chat' ? '#' : ''}${title}`;
  $('read-only').hidden = !$('composer').hidden;
  $('read-only-text').textContent = closed || 'This room can only be read.';
  $('read-only-retry').hidden = closed === '';
}

function moveRoom(step) {
  const buttons = [...document.querySelectorAll('.rooms > li:not([hidden]) .room-button')];
  const list = buttons.map((button) => [...rooms.values()].find((room) => room.button.button === button));
  openRoom(list.at((list.indexOf(active) + step + list.length) % list.length));
}

/* ---- what the server says ---- */

// A subscription begins: how far the user has read is known by the broker, unless this page was there all the time.
function placed(room, { offset, recovered, unread = 0 }) {
  room.closed = '';
  if (!recovered) {
    room.top = offset;
    room.seen = offset - unread;
    room.acked = unread === offset ? -1 : room.seen;
    if (unread === offset && (room.kind === 'chat' || room.kind === 'public')) skipOldMessages(room, offset);
  }
  if (recovered) read(room, room.seen);
  if (room === active) showHead();
  showUnread();
}

// What was there before somebody's first visit is not new.
async function skipOldMessages(room, offset) {
  if (me === '') return;
  const { epoch } = await room.channel.unread().catch(() => ({}));
  if (epoch !== '') return;
  read(room, offset);
  showUnread();
}

async function synchronize(room, { wasRecovering, recovered, missed }) {
  if (wasRecovering) {
    reconnected.rooms++;
    reconnected.recovered += missed;
    if (!recovered) reconnected.lost++;
    showReconnected();
  }
  if (!recovered) await readHistory(room);
  if (wasRecovering && !recovered) room.forgetTaken();
  if (room === active) look();
  sendPending(room);
  readPresence(room);
  if (room.kind === 'group') readGroup(room);
}

function received(room, publication) {
  const event = eventOf(publication);
  const own = me !== '' && (publication.info?.user === me || event?.by === me);
  const before = room.top;
  if (!room.add(publication)) return;
  if (own && room.seen === before) read(room, room.top);
  if (event && room.kind === 'group') readMembers(room);
  if (room === active) {
    if (room.atBottom || own) toBottom();
    if (room.atBottom && !document.hidden) read(room, room.top);
    if (event) showPeople();
    showJump();
  }
  if (room !== active || room.unread > 0) showUnread();
}

/* ---- what was read ---- */

/** The user has read everything up to this offset; the broker is told, but not of each message by itself. */
function read(room, offset) {
  room.seen = Math.max(room.seen, offset);
  if (room.ackTimer || !acknowledge(room)) return;
  room.ackTimer = setTimeout(() => {
    room.ackTimer = null;
    read(room, room.seen);
  }, ACK_PAUSE);
}

function acknowledge(room) {
  if (me === '' || !room.channel.subscribed || room.acked >= room.seen) return false;
  room.acked = room.seen;
  room.channel.ack(room.seen).catch((error) => {
    if (!(error instanceof RelayError)) room.acked = -1;
  });
  return true;
}

/** The open room is being looked at: draw the line above what is new, and it is new no longer. */
function look() {
  if (document.hidden || !active.atBottom || !active.channel.subscribed) return;
  if (active.newest < active.top && active.complete === undefined) return; /* the history is on its way */
  active.showUnreadLine();
  read(active, active.top);
}

/* ---- coming and going ---- */

function cameOrWent(room, { user, info }, came) {
  const had = room.people.get(user) ?? 0;
  const now = user === '' ? had + (came ? 1 : -1) : came ? 1 : 0;
  if (info?.moderator) moderators.add(user);
  if (now > 0) room.people.set(user, now);
  else room.people.delete(user);
  if (room.kind === 'chat' && user !== me && (had > 0) !== came) room.note(`${user} ${came ? 'joined' : 'left'}`);
  if (room !== active) return;
  showPeople();
  if (room.atBottom) toBottom();
}

// The server took the user out, or does not let the user in.
async function shutOut(room, error) {
  if (room.leaving) return;
  if (error?.temporary) {
    setTimeout(() => room.channel.subscribe(), 1000);
    return;
  }
  const { text = '' } = await client.rpc('why', { channel: room.name }).catch(() => ({}));
  if (room.channel.subscribed) return;
  if (room.kind === 'group' || room.kind === 'dm') {
    dropRoom(room);
    const what = room.kind === 'group' ? `the group \u201c${room.title}\u201d` : `the conversation with ${room.title}`;
    showBanner('bad', `You are no longer in ${what}. ${text ? `${text}.` : ''}`, { hideAfter: 15000 });
    return;
  }
  room.closed = text ? `${text}.` : `This room is closed to you: ${error?.message ?? 'you were taken out of it'}.`;
  room.note(room.closed, 'bad');
  room.people.clear();
  if (room === active) {
    showHead();
    showPeople();
    if (room.atBottom) toBottom();
  }
  showUnread();
}

/* ---- groups and direct messages ---- */

async function readGroup(room) {
  const { name } = await client.rpc('group_info', { channel: room.name }).catch(() => ({}));
  if (name) {
    room.title = name;
    room.button.label.textContent = name;
    saveRooms();
    showUnread();
    if (room === active) showHead();
  }
  readMembers(room);
}

async function readMembers(room) {
  const { names } = await client.rpc('list_members', { channel: room.name }).catch(() => ({}));
  room.members = names ?? room.members;
  if (room === active) showPeople();
}

async function findGroups() {
  const { names = [] } = await client.rpc('list_groups').catch(() => ({}));
  for (const name of names) if (!rooms.has(name)) addRoom(name);
}

async function makeGroup() {
  const known = new Set([...rooms.values()].flatMap((room) => [...room.people.keys()]));
  const group = await askForGroup($('group-dialog'), [...known].filter((user) => user !== '' && user !== me).sort());
  const made = group && (await call('create_group', { name: group.name }));
  if (!made) return;
  openRoom(rooms.get(made.channel) ?? addRoom(made.channel, group.name));
  closeDrawers();
  for (const user of group.members) if (user !== me) await call('add_member', { channel: made.channel, user });
}

async function writeTo(user) {
  const opened = await call('open_dm', { user });
  if (!opened) return;
  openRoom(rooms.get(opened.channel) ?? addRoom(opened.channel));
  closeDrawers();
}

// The server tells a user there of new conversations, and when a moderator lets the user back in somewhere.
function listenToOwnChannel() {
  const channel = client.channel(`user:${me}`);
  const noted = ({ type, channel: name }) => {
    if (type === 'dm' && !rooms.has(name)) addRoom(name);
  };
  channel.on('subscribed', async ({ recovered }) => {
    if (recovered) return;
    const { publications } = await channel.history({ limit: HISTORY_PAGE, reverse: true }).catch(() => ({ publications: [] }));
    publications.forEach(({ data }) => noted(data));
  });
  channel.on('message', ({ data }) => {
    noted(data);
    if (data.type !== 'restored' || !rooms.get(data.channel)?.closed) return;
    rooms.get(data.channel).note('A moderator lets you come back.', 'good');
    rooms.get(data.channel).channel.subscribe();
  });
  channel.subscribe();
}

/* ---- history and presence ---- */

async function readHistory(room, since) {
  try {
    const { publications } = await room.channel.history({ limit: HISTORY_PAGE, reverse: true, since });
    const keep = $('scroll').scrollHeight - $('scroll').scrollTop;
    room.addHistory(publications.reverse());
    room.complete = publications.length === 0 || publications[0].offset === 1;
    if (room !== active) return;
    showOlder();
    if (room.atBottom) toBottom();
    else $('scroll').scrollTop = $('scroll').scrollHeight - keep;
  } catch (error) {
    if (error instanceof RelayError) room.note(`The history cannot be read: ${error.message}.`, 'bad');
  }
}

async function readPresence(room) {
  try {
    const { users } = await room.channel.presence();
    room.people = new Map(users.map(({ user, sessions }) => [user, sessions]));
    for (const { user, info } of users) if (info?.moderator) moderators.add(user);
    if (room === active) showPeople();
  } catch {
    /* the next reconnect or join will tell */
  }
}

/* ---- writing ---- */

function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join('');
}

function send(room, text) {
  const id = newId();
  room.addPending(id, { text, id });
  toBottom();
  sendPending(room);
}

// Runs after each recovery too: what the server has not said that it has is sent again, under its key. So a message whose
// answer was lost is neither lost nor sent twice.
async function sendPending(room) {
  for (const waiting of [...room.pending.values()]) {
    if (waiting.sending || waiting.taken || !room.channel.subscribed) continue;
    waiting.sending = true;
    try {
      await room.channel.publish(waiting.data, waiting.id);
      waiting.taken = true;
    } catch (error) {
      if (error instanceof RelayError && error.temporary) {
        setTimeout(() => sendPending(room), 1000);
      } else if (error instanceof RelayError) {
        waiting.node.classList.add('failed');
        waiting.node.title = `Not sent: ${error.message}`;
        room.pending.delete(waiting.id);
      }
    }
    waiting.sending = false;
  }
}

function growComposer() {
  const box = $('composer-text');
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
}

/* ---- showing ---- */

let scrolling = 0;

// Once per frame, however many messages came in.
function toBottom() {
  active.atBottom = true;
  scrolling ||= requestAnimationFrame(() => {
    scrolling = 0;
    if (active.atBottom) $('scroll').scrollTop = $('scroll').scrollHeight;
  });
}

function showOlder() {
  $('older').hidden = active.complete !== false || active.oldest === Infinity;
}

function showJump() {
  $('jump').hidden = active.atBottom;
  $('jump').textContent = active.unread > 0 ? `\u2193 ${plural(active.unread, 'new message')}` : '\u2193 Newest';
}

function showUnread() {
  let total = 0;
  for (const room of rooms.values()) {
    const count = room.closed || (room === active && !document.hidden) ? 0 : room.unread;
    total += room.closed ? 0 : room.unread;
    room.button.item.hidden = room.kind === 'dm' && room.top === 0 && room !== active;
    room.button.button.classList.toggle('closed', room.closed !== '');
    room.button.badge.textContent = count > 99 ? '99+' : count || '';
    room.button.button.classList.toggle('unread', count > 0);
    room.button.button.setAttribute('aria-label', count ? `${room.title}, ${count} unread` : room.title);
  }
  document.title = total > 0 ? `(${total}) StreamRelay chat` : 'StreamRelay chat';
}

const panel = {
  title: $('people-title'),
  number: $('people-number'),
  list: $('people-list'),
  addMember: $('add-member'),
  removed: $('removed'),
  removedList: $('removed-list'),
};

function showPeople() {
  const room = active;
  fillPeople(panel, room, {
    me,
    moderator,
    moderators,
    onWrite: (user) => me !== '' && writeTo(user),
    onRemove: (user) => call('kick', { channel: room.name, user }),
    onRestore: (user) => call('unkick', { channel: room.name, user }),
  });
  $('people-count').textContent = `${active.peopleCount.toLocaleString()} online`;
}

function showBanner(kind, text, { retry = '', hideAfter = 0 } = {}) {
  clearTimeout(banner.timer);
  clearInterval(banner.tick);
  $('banner').hidden = false;
  $('banner').dataset.kind = kind;
  $('banner-text').textContent = text;
  $('banner-retry').hidden = retry === '';
  $('banner-retry').textContent = retry;
  if (hideAfter) banner.timer = setTimeout(hideBanner, hideAfter);
}

function hideBanner() {
  clearTimeout(banner.timer);
  clearInterval(banner.tick);
  $('banner').hidden = true;
}

function setStatus(state, text) {
  document.body.dataset.connection = state;
  $('status').dataset.state = state;
  $('status').textContent = text;
}

let wasConnected = false;

function showState(state, details) {
  if (state === 'connected') {
    moderator = details.data?.moderator === true;
    if (me !== '') findGroups();
    showHead();
    setStatus('connected', 'Connected');
    hideBanner();
    if (wasConnected) showBanner('good', 'Connected again.', { hideAfter: 4000 });
    wasConnected = true;
    reconnected = { recovered: 0, rooms: 0, lost: 0 };
  } else if (state === 'connecting') {
    setStatus('connecting', wasConnected ? 'Reconnecting\u2026' : 'Connecting\u2026');
    if (wasConnected) showBanner('bad', 'Connection lost. Reconnecting\u2026');
  } else if (state === 'waiting') {
    showCountdown(details.retryAt);
  } else {
    setStatus('closed', 'Disconnected');
    showBanner('bad', `Disconnected: ${details.reason || 'the server closed the connection'}.`, { retry: 'Connect again' });
  }
}

function showCountdown(retryAt) {
  if (retryAt === undefined) {
    setStatus('waiting', 'Retrying');
    showBanner('bad', 'Connection lost. Reconnecting.', { retry: 'Try now' });
    return;
  }
  const show = () => {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    setStatus('waiting', `Retrying in ${seconds} s`);
    $('banner-text').textContent = `Connection lost. Reconnecting in ${seconds} s.`;
  };
  showBanner('bad', '', { retry: 'Try now' });
  show();
  banner.tick = setInterval(show, 250);
}

function showReconnected() {
  const { recovered, lost } = reconnected;
  if (lost > 0)
    showBanner('bad', 'Connected again, but not everything could be recovered; the history was read again.', {
      hideAfter: 10000,
    });
  else
    showBanner('good', `Connected again. ${recovered ? `Recovered ${plural(recovered, 'message')}.` : 'Nothing was missed.'}`, {
      hideAfter: 6000,
    });
}

function closeDrawers() {
  document.body.classList.remove('show-sidebar', 'show-people');
}

/* ---- what the user does ---- */

function looked() {
  if (document.hidden || !active) return;
  client.retryNow();
  look();
  showUnread();
}

function wire() {
  $('add-room').addEventListener('submit', (event) => {
    event.preventDefault();
    const title = $('add-room-name').value.trim().toLowerCase().replace(/^(chat:|#)/, '').replace(/\s+/g, '-');
    if (!title) return;
    openRoom(rooms.get(`chat:${title}`) ?? addRoom(`chat:${title}`));
    $('add-room-name').value = '';
    closeDrawers();
  });
  $('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('composer-text').value.trim();
    if (!text) return;
    send(active, text);
    $('composer-text').value = '';
    growComposer();
  });
  $('composer-text').addEventListener('input', growComposer);
  $('composer-text').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $('composer').requestSubmit();
  });
  $('scroll').addEventListener('scroll', () => {
    if (!active) return;
    const box = $('scroll');
    active.atBottom = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM;
    if (active.atBottom && active.unread > 0 && !document.hidden) {
      read(active, active.newest);
      showUnread();
    }
    showJump();
  });
  $('new-group').addEventListener('click', makeGroup);
  $('add-member').addEventListener('submit', (event) => {
    event.preventDefault();
    const user = $('add-member-name').value.trim();
    $('add-member-name').value = '';
    if (user) call('add_member', { channel: active.name, user });
  });
  $('read-only-retry').addEventListener('click', () => active.channel.subscribe());
  $('older').addEventListener('click', () => readHistory(active, active.oldest));
  $('jump').addEventListener('click', toBottom);
  $('banner-retry').addEventListener('click', () => (client.state === 'closed' ? client.connect() : client.retryNow()));
  $('sidebar-open').addEventListener('click', () => document.body.classList.add('show-sidebar'));
  $('sidebar-close').addEventListener('click', closeDrawers);
  $('people-toggle').addEventListener('click', () => {
    const narrow = matchMedia('(max-width: 1000px)').matches;
    const shown = document.body.classList.toggle(narrow ? 'show-people' : 'hide-people') === narrow;
    $('people-toggle').setAttribute('aria-expanded', shown);
  });
  $('sign-out').addEventListener('click', () => {
    client.close();
    sessionStorage.clear();
    location.href = location.pathname;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') closeDrawers();
    if (!event.altKey || !active || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    moveRoom(event.key === 'ArrowUp' ? -1 : 1);
  });
  document.addEventListener('visibilitychange', looked);
  globalThis.addEventListener('pagehide', () => rooms.forEach(acknowledge));
  new ResizeObserver(() => active?.atBottom && toBottom()).observe($('scroll'));
}

wire();
start();

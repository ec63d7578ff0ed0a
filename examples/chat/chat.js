// The page: signing in, the list of rooms, the room that is open, and the state of the connection.
import { RelayClient, RelayError } from './client.js';
import { Room, avatar, element } from './room.js';

const HISTORY_PAGE = 100;
const NEAR_BOTTOM = 60;
const PRESENCE_EVERY = 30000;

const $ = (id) => document.getElementById(id);
const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

let client;
let me = '';
let active = null;
let banner = { timer: null, tick: null };
let reconnected = { recovered: 0, rooms: 0, lost: 0 };
const rooms = new Map();

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
  $('add-room').hidden = name === '';

  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  client = new RelayClient(`${scheme}://${location.host}/ws`, { token: name });
  client.on('state', showState);
  for (const room of savedRooms()) addRoom(room);
  openRoom(rooms.get(sessionStorage.getItem('room')) ?? [...rooms.values()].at(name === '' ? 0 : 1));
  client.connect();
  setInterval(() => active?.readOnly && readPresence(active), PRESENCE_EVERY);
}

function savedRooms() {
  if (me === '') return ['public:news'];
  try {
    return JSON.parse(sessionStorage.getItem('rooms')) ?? ['public:news', 'chat:lobby'];
  } catch {
    return ['public:news', 'chat:lobby'];
  }
}

function saveRooms() {
  sessionStorage.setItem('rooms', JSON.stringify([...rooms.keys()]));
}

/* ---- rooms ---- */

function addRoom(name) {
  const channel = client.channel(name);
  const room = new Room(channel, me);
  rooms.set(name, room);
  room.button = roomButton(room);
  $('rooms').append(room.button.item);
  if (channel.room) {
    channel.room.current = room;
  } else {
    channel.room = { current: room };
    listen(channel);
  }
  channel.subscribe();
  return room;
}

function listen(channel) {
  const room = () => channel.room.current;
  channel
    .on('subscribed', (details) => synchronize(room(), details))
    .on('restart', () => room().restart())
    .on('gap', () => room().breakOff('Not everything could be recovered; the history was read again.'))
    .on('message', (publication) => received(room(), publication))
    .on('join', (info) => cameOrWent(room(), info, true))
    .on('leave', (info) => cameOrWent(room(), info, false))
    .on('unsubscribed', ({ reason }) => room().note(`You were taken out of this room: ${reason}`, 'bad'))
    .on('error', (error) => refused(room(), error));
}

function roomButton(room) {
  const item = element('li');
  const button = element('button', 'room-button');
  const badge = element('span', 'badge');
  button.type = 'button';
  button.append(element('span', 'sigil', room.readOnly ? '\u00bb' : '#'), element('span', 'label', room.title), badge);
  button.addEventListener('click', () => {
    openRoom(room);
    closeDrawers();
  });
  item.append(button);
  if (room.name !== 'public:news' && room.name !== 'chat:lobby') {
    const leave = element('button', 'leave', '\u2715');
    leave.type = 'button';
    leave.setAttribute('aria-label', `Leave ${room.title}`);
    leave.addEventListener('click', () => leaveRoom(room));
    item.append(leave);
  }
  return { item, button, badge };
}

function leaveRoom(room) {
  room.channel.unsubscribe();
  room.button.item.remove();
  rooms.delete(room.name);
  saveRooms();
  if (active === room) openRoom([...rooms.values()].at(-1));
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
  $('room-name').textContent = room.title;
  $('room-topic').textContent = room.readOnly ? 'Announcements by the server' : 'Everybody with a name may write here';
  $('composer').hidden = room.readOnly || me === '';
  $('read-only').hidden = !$('composer').hidden;
  $('read-only').textContent = 'This room can only be read.';
  $('composer-text').value = room.draft ?? '';
  $('composer-text').placeholder = `Message #${room.title}`;
  $('scroll').querySelector('.messages').replaceWith(room.list);
  room.showUnreadLine();
  showUnread();
  showPeople();
  showOlder();
  growComposer();
  if (room.atBottom) toBottom();
  else $('scroll').scrollTop = room.scrollTop;
  if (!$('composer').hidden && matchMedia('(pointer: fine)').matches) $('composer-text').focus();
}

function moveRoom(step) {
  const list = [...rooms.values()];
  openRoom(list.at((list.indexOf(active) + step + list.length) % list.length));
}

/* ---- what the server says ---- */

async function synchronize(room, { wasRecovering, recovered, missed }) {
  if (wasRecovering) {
    reconnected.rooms++;
    reconnected.recovered += missed;
    if (!recovered) reconnected.lost++;
    showReconnected();
  }
  if (!recovered) await readHistory(room);
  sendPending(room);
  readPresence(room);
}

function received(room, publication) {
  if (!room.add(publication)) return;
  const own = publication.info?.user === me && me !== '';
  if (!own && (room !== active || document.hidden || !room.atBottom)) {
    room.markUnread();
    showUnread();
  }
  if (room !== active) return;
  if (room.atBottom || own) toBottom();
  showJump();
}

function cameOrWent(room, { user }, came) {
  const had = room.people.get(user) ?? 0;
  const now = user === '' ? had + (came ? 1 : -1) : came ? 1 : 0;
  if (now > 0) room.people.set(user, now);
  else room.people.delete(user);
  if (user !== '' && user !== me && (had > 0) !== came) room.note(`${user} ${came ? 'joined' : 'left'}`);
  if (room !== active) return;
  showPeople();
  if (room.atBottom) toBottom();
}

function refused(room, error) {
  room.note(`This room is closed to you: ${error.message}.`, 'bad');
}

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
  room.atBottom = true;
  toBottom();
  sendPending(room);
}

// Runs after each recovery too: what has come back from the server by then is no longer pending, the rest is sent
// again. So a message whose answer was lost is neither lost nor sent twice.
async function sendPending(room) {
  for (const waiting of [...room.pending.values()]) {
    if (waiting.sending || !room.channel.subscribed) continue;
    waiting.sending = true;
    try {
      await room.channel.publish(waiting.data);
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

function toBottom() {
  $('scroll').scrollTop = $('scroll').scrollHeight;
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
    const count = room === active && !document.hidden ? 0 : room.unread;
    total += room.unread;
    room.button.badge.textContent = count > 99 ? '99+' : count || '';
    room.button.button.classList.toggle('unread', count > 0);
    room.button.button.setAttribute('aria-label', count ? `${room.title}, ${count} unread` : room.title);
  }
  document.title = total > 0 ? `(${total}) StreamRelay chat` : 'StreamRelay chat';
}

function showPeople() {
  const names = [...active.people.keys()].filter((user) => user !== '').sort((a, b) => a.localeCompare(b));
  const guests = active.people.get('') ?? 0;
  const items = names.map((user) => {
    const item = element('li');
    item.append(avatar(user), element('span', 'who', user));
    if (user === me) item.append(element('span', 'you', 'you'));
    return item;
  });
  if (guests > 0) {
    const item = element('li', 'guests');
    item.append(avatar(''), element('span', 'who', plural(guests, 'guest')));
    items.push(item);
  }
  $('people-list').replaceChildren(...items);
  $('people-number').textContent = active.peopleCount;
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
  if (active.atBottom) {
    active.showUnreadLine();
    showUnread();
  }
}

function wire() {
  $('add-room').addEventListener('submit', (event) => {
    event.preventDefault();
    const title = $('add-room-name').value.trim().toLowerCase().replace(/^(chat:|#)/, '').replace(/\s+/g, '-');
    if (!title) return;
    openRoom(rooms.get(`chat:${title}`) ?? addRoom(`chat:${title}`));
    saveRooms();
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
    if (active.atBottom && active.unread > 0) {
      active.unread = 0;
      active.firstUnread = null;
      showUnread();
    }
    showJump();
  });
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
  new ResizeObserver(() => active?.atBottom && toBottom()).observe($('scroll'));
}

wire();
start();

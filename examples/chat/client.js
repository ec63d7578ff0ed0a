// A client for StreamRelay's native protocol: one WebSocket, many channels, reconnect with recovery.
//
//   const client = new RelayClient('ws://localhost:8080/ws', { token: 'alice' });
//   const room = client.channel('chat:lobby');
//   room.on('message', (publication) => …);
//   room.subscribe();
//   client.connect();
//
// A channel remembers the offset and epoch of the last publication it has shown. After a dropped connection it
// subscribes again from there; the server sends what was missed, or says that it cannot.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 20000;
const COMMAND_TIMEOUT = 10000;
const SILENCE_MARGIN = 10000;
const ALREADY_SUBSCRIBED = 105; // the server was faster

export class Emitter {
  #handlers = new Map();

  on(event, handler) {
    const handlers = this.#handlers.get(event) ?? [];
    this.#handlers.set(event, [...handlers, handler]);
    return this;
  }

  emit(event, ...details) {
    for (const handler of this.#handlers.get(event) ?? []) handler(...details);
  }
}

export class RelayError extends Error {
  constructor({ code, message, temporary = false }) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

// Events: 'position' ({ offset, recovered, unread }), at once when a subscription begins; 'subscribed' ({ wasRecovering,
// recovered, from, missed }), when what it missed is known; 'message' (publication), 'restart' (offsets begin anew),
// 'gap' (publications are missing between those before and those after it), 'join' and 'leave' ({ user, client, info }),
// 'unsubscribed' ({ code, reason }), 'error' (RelayError).
export class Channel extends Emitter {
  wanted = false;
  subscribed = false;
  offset = 0;
  epoch = '';

  constructor(client, name) {
    super();
    this.client = client;
    this.name = name;
  }

  subscribe() {
    this.wanted = true;
    if (this.client.state === 'connected' && !this.subscribed) this.#begin();
  }

  unsubscribe() {
    const active = this.subscribed;
    this.wanted = false;
    this.subscribed = false;
    this.forget();
    if (active) this.client.command('unsubscribe', this.name).catch(() => {});
  }

  /** Next time, begin with what is new instead of recovering. */
  forget() {
    this.offset = 0;
    this.epoch = '';
  }

  /** With the same key again, nothing is published twice. */
  publish(data, key) {
    return this.client.command('publish', this.name, { data, key });
  }

  /** Have the broker remember that the user has seen everything up to here. */
  ack(offset) {
    return this.client.command('ack', this.name, { offset, epoch: this.epoch });
  }

  /** What the broker remembers: { unread, offset, epoch }; no epoch: nothing yet. */
  unread() {
    return this.client.command('unread', this.name);
  }

  presence() {
    return this.client.command('presence', this.name);
  }

  history(options) {
    return this.client.command('history', this.name, options);
  }

  async #begin() {
    const from = this.offset;
    const recover = this.epoch !== '';
    const data = recover ? { recover, offset: this.offset, epoch: this.epoch } : {};
    const subscribing = this.client.command('subscribe', this.name, data);
    const reading = recover ? this.history({ limit: 0 }).catch(() => null) : null;
    try {
      await subscribing;
      const top = await reading;
      this.emit('subscribed', { ...this.result, from, missed: top && this.result.recovered ? top.offset - from : 0 });
    } catch (error) {
      if (error instanceof RelayError && error.code !== ALREADY_SUBSCRIBED) this.emit('error', error);
    }
  }

  // Called while the reply is being read, so that publications behind it find the position set.
  accepted(reply) {
    this.subscribed = true;
    this.result = { wasRecovering: reply.was_recovering === true, recovered: reply.recovered === true };
    this.offset = reply.offset ?? 0;
    this.epoch = reply.epoch ?? '';
    if (this.result.wasRecovering && !this.result.recovered) this.emit('gap');
    this.emit('position', { offset: this.offset, recovered: this.result.recovered, unread: reply.unread });
  }

  // The server has subscribed this connection by itself; nothing is sent of what was missed before.
  enlisted(data) {
    const known = this.epoch !== '';
    const from = this.offset;
    this.accepted({ ...data, was_recovering: known, recovered: known && data.epoch === this.epoch && data.offset === from });
    this.emit('subscribed', { ...this.result, from, missed: 0 });
  }

  push(type, data) {
    if (type === 'message') {
      const { offset, epoch = this.epoch } = data;
      if (offset !== undefined && epoch === this.epoch && offset <= this.offset) return;
      if (epoch !== this.epoch && offset !== this.offset + 1) this.emit('restart');
      this.offset = offset ?? this.offset;
      this.epoch = epoch;
      this.emit('message', data);
    } else if (type === 'unsubscribe') {
      this.subscribed = false;
      if (data.code >= 2500) {
        this.subscribe();
        return;
      }
      this.wanted = false;
      this.forget();
      this.emit('unsubscribed', data);
    } else {
      this.emit(type, data.info);
    }
  }

  connected() {
    if (this.wanted) this.#begin();
  }
}

// Events: 'state' (state, details): 'connecting'; 'connected', with the reply's data; 'waiting', with { retryAt,
// reason }; 'closed', with { code, reason }: it will not come back by itself. 'enlisted' (channel): the server has
// subscribed this connection to a channel that was not asked for.
export class RelayClient extends Emitter {
  state = 'closed';
  #channels = new Map();
  #pending = new Map();
  #lastId = 0;
  #attempts = 0;
  #socket = null;
  #retryTimer = null;
  #silenceTimer = null;
  #pingSeconds = 0;

  constructor(url, { token = '', data } = {}) {
    super();
    this.url = url;
    this.token = token;
    this.data = data;
    globalThis.addEventListener?.('online', () => this.retryNow());
    globalThis.addEventListener?.('offline', () => this.#socket && this.#lost('offline'));
  }

  channel(name) {
    if (!this.#channels.has(name)) this.#channels.set(name, new Channel(this, name));
    return this.#channels.get(name);
  }

  connect() {
    if (this.#socket) return;
    clearTimeout(this.#retryTimer);
    this.#set('connecting');
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => this.#hello();
    socket.onmessage = (event) => socket === this.#socket && this.#receive(event.data);
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.reason, event.code);
  }

  close() {
    this.#drop();
    this.#set('closed', { code: 1000, reason: 'closed by the user' });
  }

  /** Do not wait for the next attempt. */
  retryNow() {
    if (this.state === 'waiting') this.connect();
  }

  /** Send a command; the promise has the data of its reply. */
  command(type, channel, data) {
    if (!this.#socket || this.#socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new Error('not connected'));
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, type, channel, data }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#lost('no answer'), COMMAND_TIMEOUT);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  /** Call a method of the application; the promise has its answer. */
  async rpc(method, data = {}) {
    return (await this.command('rpc', undefined, { method, data })).data;
  }

  async #hello() {
    const socket = this.#socket;
    try {
      const reply = await this.command('connect', undefined, { token: this.token, data: this.data, pong: true });
      this.#attempts = 0;
      this.#pingSeconds = reply.ping ?? 0;
      this.#heard();
      this.#set('connected', reply);
      for (const channel of this.#channels.values()) channel.connected();
    } catch (error) {
      if (error instanceof RelayError && socket === this.#socket) {
        this.#drop();
        if (error.temporary) this.#retryLater(error.message);
        else this.#set('closed', { code: error.code, reason: error.message });
      }
    }
  }

  #receive(text) {
    this.#heard();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const message = JSON.parse(line);
      if (message.reply) this.#reply(message.reply);
      else if (message.push) this.#push(message.push);
    }
  }

  #reply({ id, type, channel, data = {}, error }) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    if (error) {
      waiting.reject(new RelayError(error));
      return;
    }
    if (type === 'subscribe') this.#channels.get(channel)?.accepted(data);
    waiting.resolve(data);
  }

  #push({ type, channel, data = {} }) {
    if (type === 'ping') this.#socket?.send('{"type":"pong"}');
    else if (type === 'disconnect') this.#lost(data.reason, data.code, data.reconnect);
    else if (type === 'subscribe') this.#enlisted(this.channel(channel), data);
    else if (channel) this.#channels.get(channel)?.push(type, data);
  }

  #enlisted(channel, data) {
    const wanted = channel.wanted;
    channel.wanted = true;
    channel.subscribed = true;
    if (!wanted) this.emit('enlisted', channel);
    channel.enlisted(data);
  }

  // The server pings; a longer silence means that the connection is gone without a word.
  #heard() {
    clearTimeout(this.#silenceTimer);
    if (this.#pingSeconds > 0)
      this.#silenceTimer = setTimeout(() => this.#lost('silence'), this.#pingSeconds * 1000 + SILENCE_MARGIN);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#pingSeconds = 0;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new Error('connection lost'));
    }
    this.#pending.clear();
    for (const channel of this.#channels.values()) channel.subscribed = false;
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close();
  }

  #lost(reason = '', code = 0, reconnect = !((code >= 3500 && code < 4000) || (code >= 4500 && code < 5000))) {
    this.#drop();
    if (reconnect) this.#retryLater(reason);
    else this.#set('closed', { code, reason });
  }

  #retryLater(reason) {
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempts++) * (0.5 + Math.random() / 2);
    this.#retryTimer = setTimeout(() => this.connect(), delay);
    this.#set('waiting', { retryAt: Date.now() + delay, reason });
  }

  #set(state, details = {}) {
    this.state = state;
    this.emit('state', state, details);
  }
}

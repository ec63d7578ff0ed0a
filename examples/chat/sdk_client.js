// The same as client.js, but through Centrifugo's own SDK for browsers: for the page with ?sdk=centrifuge. The SDK is the
// file dist/centrifuge.js of the npm package `centrifuge`; it is no part of this program and must be served as /centrifuge.js.
import { Emitter, RelayError } from './client.js';

const FIRST_ANSWER_OF_A_SERVER = 100; // errors below are the SDK's own: time-outs, lost connections
const ALREADY_SUBSCRIBED = 105;
const NOT_FOUND = 104;
const LOOK_EVERY = 3000;

const { Centrifuge } = await new Promise((resolve, reject) => {
  const script = document.createElement('script');
  script.src = '/centrifuge.js';
  script.onload = () => resolve(globalThis);
  script.onerror = () => reject(new Error('there is no /centrifuge.js'));
  document.head.append(script);
});

function relayError(error) {
  return error?.code >= FIRST_ANSWER_OF_A_SERVER ? new RelayError(error) : new Error(error?.message ?? String(error));
}

const failed = (error) => Promise.reject(relayError(error));
const person = (info) => info && { user: info.user, client: info.client, info: info.connInfo };
const publication = ({ data, offset, info }) => ({ data, offset, info: person(info) });

// A channel that the server has subscribed this connection to reports through the client, any other through a
// subscription of its own. After a new connection the former is one of the latter.
class Channel extends Emitter {
  wanted = false;
  subscribed = false;
  offset = 0;
  epoch = '';
  #own = null;
  #there = null; // user -> sessions
  #looking = null;

  constructor(client, name) {
    super();
    this.client = client;
    this.name = name;
  }

  get #sdk() {
    return this.client.sdk;
  }

  subscribe() {
    this.wanted = true;
    if (this.subscribed) return;
    this.#own ??= this.#subscription();
    this.#own.subscribe();
  }

  unsubscribe() {
    this.wanted = false;
    this.forget();
  }

  forget() {
    this.lost();
    this.offset = 0;
    this.epoch = '';
    this.#discard();
  }

  publish(data) {
    return this.#sdk.publish(this.name, data).catch(failed);
  }

  /** Centrifugo knows nothing of what was read. */
  ack() {
    return failed({ code: NOT_FOUND, message: 'not available' });
  }

  unread() {
    return this.ack();
  }

  async presence() {
    const { clients } = await this.#sdk.presence(this.name).catch(failed);
    const users = new Map();
    for (const { user, connInfo } of Object.values(clients)) {
      const known = users.get(user) ?? { user, sessions: 0, info: connInfo };
      known.sessions++;
      users.set(user, known);
    }
    this.#there = users;
    return { users: [...users.values()] };
  }

  /** since: an offset, as in client.js. */
  async history({ limit, reverse, since }) {
    const options = { limit, reverse, ...(since === undefined ? {} : { since: { offset: since, epoch: this.epoch } }) };
    const { publications, offset, epoch } = await this.#sdk.history(this.name, options).catch(failed);
    return { publications: publications.map(publication), offset, epoch };
  }

  async began({ wasRecovering, recovered, streamPosition }) {
    const from = this.offset;
    this.subscribed = true;
    this.offset = streamPosition?.offset ?? 0;
    this.epoch = streamPosition?.epoch ?? '';
    if (wasRecovering && !recovered) this.emit('gap');
    clearInterval(this.#looking);
    this.#looking = setInterval(() => this.#look().catch(() => {}), LOOK_EVERY);
    this.emit('position', { offset: this.offset, recovered, unread: 0 });
    const top = recovered ? await this.history({ limit: 0 }).catch(() => null) : null;
    this.emit('subscribed', { wasRecovering, recovered, from, missed: top ? top.offset - from : 0 });
  }

  came(context) {
    this.offset = context.offset ?? this.offset;
    this.emit('message', publication(context));
  }

  /** The server has ended it, or would not begin it. */
  ended({ code, reason }, wasOwn) {
    if (wasOwn && code === ALREADY_SUBSCRIBED) {
      this.#discard();
      return;
    }
    this.lost();
    if (!wasOwn && code === undefined && this.wanted) {
      this.subscribe();
    } else if (this.wanted) {
      this.wanted = false;
      this.forget();
      if (code < 2000) this.emit('error', new RelayError({ code, message: reason }));
      else this.emit('unsubscribed', { code, reason });
    }
  }

  lost() {
    this.subscribed = false;
    clearInterval(this.#looking);
  }

  // The rooms of the chat tell when a user comes with the first connection and goes with the last one. That is not in
  // Centrifugo's protocol, so it is found out.
  async #look() {
    const before = this.#there;
    await this.presence();
    if (!before || !this.subscribed) return;
    for (const name of new Set([...before.keys(), ...this.#there.keys()])) {
      const { sessions: had = 0, info } = before.get(name) ?? {};
      const { sessions: has = 0, info: now = info } = this.#there.get(name) ?? {};
      const times = name === '' ? Math.abs(has - had) : Number(has > 0 !== had > 0);
      for (let i = 0; i < times; i++) this.emit(has > had ? 'join' : 'leave', { user: name, info: now });
    }
  }

  #subscription() {
    const since = this.epoch === '' ? null : { offset: this.offset, epoch: this.epoch };
    return this.#sdk
      .newSubscription(this.name, { since, recoverable: true })
      .on('subscribed', (context) => this.began(context))
      .on('subscribing', () => this.lost())
      .on('publication', (context) => this.came(context))
      .on('unsubscribed', (context) => this.#own && this.ended(context, true));
  }

  #discard() {
    const own = this.#own;
    this.#own = null;
    if (!own) return;
    own.unsubscribe();
    this.#sdk.removeSubscription(own);
  }
}

export class RelayClient extends Emitter {
  state = 'closed';
  #channels = new Map();
  #again = false;

  constructor(url, { token = '', data } = {}) {
    super();
    const transports = [
      { transport: 'websocket', endpoint: url },
      { transport: 'http_stream', endpoint: '/connection/http_stream' },
      { transport: 'sse', endpoint: '/connection/sse' },
    ];
    this.sdk = new Centrifuge(transports, { token, data });
    this.sdk
      .on('connecting', ({ code, reason }) => !this.#again && this.#set(code === 0 ? 'connecting' : 'waiting', { reason }))
      .on('connected', (reply) => this.#set('connected', reply))
      .on('disconnected', (details) => !this.#again && this.#set('closed', details))
      .on('subscribed', (context) => this.#enlisted(context))
      .on('subscribing', ({ channel }) => this.#channels.get(channel)?.lost())
      .on('publication', (context) => this.#channels.get(context.channel)?.came(context))
      .on('unsubscribed', ({ channel }) => this.#channels.get(channel)?.ended({}, false));
  }

  channel(name) {
    if (!this.#channels.has(name)) this.#channels.set(name, new Channel(this, name));
    return this.#channels.get(name);
  }

  connect() {
    this.sdk.connect();
  }

  close() {
    this.sdk.disconnect();
  }

  /** The SDK chooses when to try again; a new attempt at once is a new beginning for it. */
  retryNow() {
    if (this.state !== 'waiting') return;
    this.#again = true;
    this.sdk.disconnect();
    this.#again = false;
    this.sdk.connect();
  }

  async rpc(method, data = {}) {
    return (await this.sdk.rpc(method, data).catch(failed)).data;
  }

  #enlisted(context) {
    const channel = this.channel(context.channel);
    const wanted = channel.wanted;
    channel.wanted = true;
    if (!wanted) this.emit('enlisted', channel);
    channel.began(context);
  }

  #set(state, details = {}) {
    this.state = state;
    this.emit('state', state, details);
  }
}

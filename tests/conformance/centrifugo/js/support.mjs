// What the tests share: the server, tokens, a wire that can be cut, and clients that remember what happened to them.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { Centrifuge } from 'centrifuge';
import EventSource from 'eventsource';
import WebSocket from 'ws';
import { Redis } from '../../redis.mjs';

export const SECRET = 'test-secret';
export const SUBSCRIPTION_SECRET = 'test-subscription-secret';
const API_KEY = 'test-api-key';

/** SRL_ON_REDIS=1: every server has a Redis of its own in place of its memory. */
export const onRedis = process.env.SRL_ON_REDIS === '1';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const now = () => Math.floor(Date.now() / 1000);

let lastName = 0;
/** A name that no other test of this run or another one uses. */
export const fresh = (prefix) => `${prefix}${process.pid}_${Date.now().toString(36)}_${++lastName}`;

export class Server {
  static async start(config, options = []) {
    const program = process.env.SRL_CENTRIFUGO;
    if (!program) throw new Error('SRL_CENTRIFUGO must name the server program');
    const file = fileURLToPath(new URL(`../config/${config}.json`, import.meta.url));
    const server = new Server();
    if (onRedis && !options.includes('--redis')) server.redis = await Redis.start();
    const meeting = server.redis ? ['--redis', server.redis.url] : [];
    server.process = spawn(program, ['--port', '0', '--config', file, ...meeting, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    server.exited = once(server.process, 'exit');
    let output = '';
    server.port = await new Promise((resolve, reject) => {
      server.process.on('error', reject);
      server.process.on('exit', () => reject(new Error(`the server ended: ${output}`)));
      server.process.stdout.on('data', (chunk) => {
        output += chunk;
        const match = /http:\/\/[^:/]+:(\d+)/.exec(output);
        if (match) resolve(Number(match[1]));
      });
    });
    return server;
  }

  async stop() {
    this.process.kill('SIGTERM');
    const [code, signal] = await this.exited;
    await this.redis?.stop();
    return signal ?? code;
  }

  async request(method, body = {}, headers = { 'X-API-Key': API_KEY }) {
    return fetch(`http://127.0.0.1:${this.port}/api/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }

  /** A call of the server's API; an error answer is thrown. */
  async api(method, body) {
    const answer = await (await this.request(method, body)).json();
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result;
  }

  async publishMany(channel, from, to, make = (i) => ({ i })) {
    for (let i = from; i <= to; i++) await this.api('publish', { channel, data: make(i) });
  }
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function jwt(claims, { secret = SECRET, bits = 256 } = {}) {
  const signed = `${base64url({ alg: `HS${bits}`, typ: 'JWT' })}.${base64url(claims)}`;
  return `${signed}.${crypto.createHmac(`sha${bits}`, secret).update(signed).digest('base64url')}`;
}

export const subscriptionToken = (claims) => jwt(claims, { secret: SUBSCRIPTION_SECRET });

/** A TCP relay before the server that can be cut, mended, stopped and pointed to another server. */
export class Wire {
  static async to(port) {
    const wire = new Wire();
    wire.target = port;
    wire.whole = true;
    wire.pairs = new Set();
    wire.server = net.createServer((near) => wire.join(near));
    wire.server.listen(0, '127.0.0.1');
    await once(wire.server, 'listening');
    wire.port = wire.server.address().port;
    return wire;
  }

  join(near) {
    if (!this.whole) return near.destroy();
    const far = net.connect(this.target, '127.0.0.1');
    const pair = { near, far };
    this.pairs.add(pair);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('data', (chunk) => other.write(chunk) || (one.pause(), other.once('drain', () => pair.stopped || one.resume())));
      one.on('end', () => other.end());
      one.on('close', () => {
        other.destroy();
        this.pairs.delete(pair);
      });
    }
  }

  cut() {
    this.whole = false;
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }

  mend() {
    this.whole = true;
  }

  /** Nothing from the server gets through any more, and the connection stays. */
  stall() {
    for (const pair of this.pairs) {
      pair.stopped = true;
      pair.far.pause();
    }
  }

  unstall() {
    for (const pair of this.pairs) {
      pair.stopped = false;
      pair.far.resume();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}

/** Remembers events: `log` has them as { event, ...context }, until() waits for one. */
export class Recorder extends EventEmitter {
  log = [];

  record(event, context = {}) {
    this.log.push({ ...context, event });
    this.emit('more');
  }

  all(event) {
    return this.log.filter((entry) => entry.event === event);
  }

  last(event) {
    return this.all(event).at(-1);
  }

  /** Waits until `count` such events have come and gives the last of them. */
  until(event, count = 1, timeout) {
    return this.when(() => this.all(event)[count - 1], `${count} times "${event}"`, timeout);
  }

  async when(condition, what = 'condition', timeout = 10000) {
    const deadline = Date.now() + timeout;
    for (;;) {
      const result = condition();
      if (result) return result;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${what} in ${JSON.stringify(this.log.map((entry) => JSON.stringify(entry).slice(0, 300))).slice(-3000)}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.once('more', () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

const CLIENT_EVENTS = ['connecting', 'connected', 'disconnected', 'message', 'error', 'subscribed', 'subscribing', 'unsubscribed', 'publication', 'join', 'leave'];
const SUBSCRIPTION_EVENTS = ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error'];

/** A client of the SDK with its own frames and events remembered. */
export class Client extends Recorder {
  constructor(port, options = {}, transport = 'websocket') {
    super();
    this.sent = [];
    this.received = [];
    const { sent, received } = this;
    class Socket extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        this.on('message', (data) => received.push(data.toString()));
      }
      send(data) {
        sent.push(data.toString());
        super.send(data);
      }
    }
    const host = `127.0.0.1:${port}`;
    const endpoints = {
      websocket: `ws://${host}/connection/websocket`,
      http_stream: [{ transport: 'http_stream', endpoint: `http://${host}/connection/http_stream` }],
      sse: [{ transport: 'sse', endpoint: `http://${host}/connection/sse` }],
    };
    this.sdk = new Centrifuge(endpoints[transport], {
      websocket: Socket,
      eventsource: EventSource,
      fetch: globalThis.fetch,
      readableStream: globalThis.ReadableStream,
      emulationEndpoint: `http://${host}/emulation`,
      minReconnectDelay: 50,
      maxReconnectDelay: 400,
      ...options,
    });
    for (const event of CLIENT_EVENTS) this.sdk.on(event, (context) => this.record(event, context));
  }

  async connect() {
    this.sdk.connect();
    await this.sdk.ready(5000);
    return this;
  }

  /** Subscribes and waits for the outcome. */
  async subscribe(channel, options) {
    const subscription = this.subscription(channel, options);
    subscription.sdk.subscribe();
    await subscription.when(() => subscription.last('subscribed') ?? subscription.last('unsubscribed'), 'outcome');
    return subscription;
  }

  subscription(channel, options = {}) {
    const recorder = new Recorder();
    recorder.sdk = this.sdk.newSubscription(channel, { minResubscribeDelay: 50, maxResubscribeDelay: 400, ...options });
    for (const event of SUBSCRIPTION_EVENTS) recorder.sdk.on(event, (context) => recorder.record(event, context));
    Object.defineProperty(recorder, 'data', { get: () => recorder.all('publication').map((entry) => entry.data) });
    return recorder;
  }

  close() {
    this.sdk.disconnect();
  }
}

export const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => ({ i: from + i }));

// Starts the chat server for a test. The program is named by SRL_CHAT.
import { spawn } from 'node:child_process';
import net from 'node:net';

export class ChatServer {
  static async start(...args) {
    const program = process.env.SRL_CHAT;
    if (!program) throw new Error('SRL_CHAT must name the chat server program');
    const server = new ChatServer();
    server.process = spawn(program, ['--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    server.exited = new Promise((resolve) => server.process.on('exit', (code, signal) => resolve({ code, signal })));
    server.output = '';
    server.port = await new Promise((resolve, reject) => {
      server.process.on('error', reject);
      server.process.on('exit', () => reject(new Error(`the server ended: ${server.output}`)));
      server.process.stdout.on('data', (chunk) => {
        server.output += chunk;
        const match = /http:\/\/[^:/]+:(\d+)/.exec(server.output);
        if (match) resolve(Number(match[1]));
      });
    });
    return server;
  }

  get url() {
    return `http://localhost:${this.port}/`;
  }

  get ws() {
    return `ws://localhost:${this.port}/ws`;
  }

  /** Ends it as ^C does; resolves to the exit code, or the signal that it needed. */
  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    const { code, signal: died } = await this.exited;
    return died ?? code;
  }
}

/** A TCP connection that collects what comes. */
export class Raw {
  static connect(port, options = {}) {
    return new Promise((resolve, reject) => {
      const raw = new Raw();
      raw.received = Buffer.alloc(0);
      raw.ended = false;
      raw.waiters = [];
      raw.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, ...options }, () => resolve(raw));
      raw.socket.setNoDelay(true);
      raw.socket.on('data', (chunk) => {
        raw.received = Buffer.concat([raw.received, chunk]);
        raw.wake();
      });
      raw.socket.on('error', (error) => {
        raw.error = error;
        raw.ended = true;
        raw.wake();
        reject(error);
      });
      raw.socket.on('end', () => {
        raw.ended = true;
        raw.wake();
      });
    });
  }

  wake() {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Waits until condition() gives something true. */
  async until(condition, timeout = 5000, what = 'condition') {
    const deadline = Date.now() + timeout;
    for (;;) {
      const result = condition();
      if (result) return result;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`timed out: ${what}; received ${this.received.toString('latin1').slice(0, 300)}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  send(data) {
    this.socket.write(data);
  }

  /** Sends a request and waits for the end of the response's head; gives the head back. */
  async request(text) {
    this.send(text);
    return this.head();
  }

  async head() {
    const end = await this.until(() => this.received.indexOf('\r\n\r\n') + 1, 5000, 'response head');
    const head = this.received.subarray(0, end + 3).toString('latin1');
    this.received = this.received.subarray(end + 3);
    return head;
  }

  async open(headers = '') {
    const head = await this.request(
      'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
    );
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head);
    return head;
  }

  /** The next frame of the server: { opcode, payload }. */
  frame(timeout) {
    return this.until(() => this.takeFrame(), timeout, 'frame');
  }

  takeFrame() {
    const b = this.received;
    if (b.length < 2) return null;
    if (b[1] & 0x80) throw new Error('the server masked a frame');
    let length = b[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (b.length < 4) return null;
      length = b.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (b.length < 10) return null;
      length = Number(b.readBigUInt64BE(2));
      at = 10;
    }
    if (b.length < at + length) return null;
    this.received = b.subarray(at + length);
    return { opcode: b[0] & 0x0f, fin: (b[0] & 0x80) !== 0, payload: b.subarray(at, at + length) };
  }

  /** Waits for the close frame and the end of the connection; gives the code (1005 if none). */
  async closeCode(timeout = 5000) {
    for (;;) {
      const frame = await this.frame(timeout);
      if (frame.opcode !== 8) continue;
      await this.until(() => this.ended, timeout, 'end of the connection');
      return frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005;
    }
  }

  destroy() {
    this.socket.destroy();
  }
}

/** A masked client frame. `first` is the whole first byte. */
export function frame(first, payload = '', { mask = true, length } = {}) {
  const body = Buffer.from(payload);
  const n = length ?? body.length;
  const head = [first];
  if (n < 126) head.push(n);
  else if (n < 65536) head.push(126, n >> 8, n & 255);
  else head.push(127, 0, 0, 0, 0, (n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  if (!mask) return Buffer.concat([Buffer.from(head), body]);
  head[1] |= 0x80;
  const key = [0x12, 0x34, 0x56, 0x78];
  return Buffer.concat([Buffer.from([...head, ...key]), body.map((byte, i) => byte ^ key[i & 3])]);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

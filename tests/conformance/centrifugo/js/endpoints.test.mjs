// The endpoints for clients without an SDK in between: handshakes, streams, what goes up, other origins, bad input.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Server, fresh, jwt, onRedis } from './support.mjs';

let server;
let insecure;
before(async () => {
  [server, insecure] = await Promise.all(['token', 'insecure'].map((name) => Server.start(name)));
});
after(async () => {
  for (const each of [server, insecure]) assert.equal(await each.stop(), 0);
});

const url = (path, of = insecure) => `http://127.0.0.1:${of.port}${path}`;
const CONNECT = { id: 1, connect: {} };

/** A response whose body is read as it comes. */
class Stream {
  static async open(path, options = {}, of = insecure) {
    const stream = new Stream();
    stream.cancel = new AbortController();
    stream.response = await fetch(url(path, of), { ...options, signal: stream.cancel.signal });
    stream.text = '';
    stream.ended = stream.read();
    return stream;
  }

  static post(path, body, of) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return Stream.open(path, { method: 'POST', body: text }, of);
  }

  async read() {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.response.body) this.text += decoder.decode(chunk, { stream: true });
    } catch (error) {
      if (error.name !== 'AbortError') throw error;
    }
    return this.text;
  }

  /** Complete messages so far, without pings. */
  get messages() {
    return this.text
      .slice(0, this.text.lastIndexOf('\n') + 1)
      .split('\n')
      .map((line) => line.trim().replace(/^data: /, ''))
      .filter((line) => line && line !== '{}')
      .map((line) => JSON.parse(line));
  }

  async until(fits, timeout = 5000) {
    const deadline = Date.now() + timeout;
    for (;;) {
      const found = this.messages.find(fits);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`not found in ${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  close() {
    this.cancel.abort();
  }
}

/** A WebSocket that remembers. */
class Socket {
  static async open(path, protocols = [], of = insecure) {
    const socket = new Socket();
    socket.messages = [];
    socket.frames = []; // how many lines each one had
    socket.ws = new WebSocket(url(path, of).replace('http', 'ws'), protocols);
    socket.closed = new Promise((resolve) => socket.ws.on('close', (code, reason) => resolve([code, `${reason}`])));
    socket.ws.on('message', (data) => {
      socket.frames.push(`${data}`.split('\n').filter(Boolean).length);
      for (const line of `${data}`.split('\n')) if (line && line !== '{}') socket.messages.push(JSON.parse(line));
    });
    await new Promise((resolve, reject) => {
      socket.ws.on('open', resolve);
      socket.ws.on('error', reject);
    });
    return socket;
  }

  send(...commands) {
    this.ws.send(commands.map((command) => JSON.stringify(command)).join('\n'));
  }

  async until(fits, timeout = 5000) {
    const deadline = Date.now() + timeout;
    for (;;) {
      const found = this.messages.find(fits);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`not found in ${JSON.stringify(this.messages)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The head of the answer to a request in raw form. */
function head(text, of = insecure) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(of.port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk;
      if (!received.includes('\r\n\r\n')) return;
      socket.destroy();
      resolve(received);
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(received));
  });
}

const UPGRADE =
  'Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

// ---- WebSocket

const later = onRedis && 'with a broker that answers later it is not one turn';

test('what a turn has for a client goes out as one message, a line each, however much it is', { skip: later }, async () => {
  const socket = await Socket.open('/connection/websocket');
  const channel = fresh('merged');
  const data = 'x'.repeat(30000);
  socket.send(CONNECT, { id: 2, subscribe: { channel } });
  await socket.until((message) => message.id === 2);
  assert.deepEqual(socket.frames, [2]);
  const publish = (id) => ({ id, publish: { channel, data: { id, data: id > 4 ? data : '' } } });
  socket.send(...[3, 4, 5].map(publish));
  socket.send(publish(6));
  socket.send(publish(7));
  await socket.until((message) => message.id === 7);
  const pushes = socket.messages.filter((message) => message.push?.pub);
  assert.deepEqual(pushes.map((message) => message.push.pub.data.id), [3, 4, 5, 6, 7]);
  assert.equal(pushes[4].push.pub.data.data, data);
  assert.equal(socket.frames.reduce((all, lines) => all + lines, 0), 12);
  assert.ok(socket.frames.length < 8, `${socket.frames}`);
  socket.ws.close();
});

test('the subprotocol is named if it was offered, and an empty header counts as none', async () => {
  const request = (header) => `GET /connection/websocket HTTP/1.1\r\n${UPGRADE}${header}\r\n`;
  const plain = await head(request(''));
  assert.match(plain, /^HTTP\/1\.1 101 /);
  assert.doesNotMatch(plain, /Sec-WebSocket-Protocol/i);
  assert.doesNotMatch(await head(request('Sec-WebSocket-Protocol: \r\n')), /400|Sec-WebSocket-Protocol/i);
  assert.match(await head(request('Sec-WebSocket-Protocol: x, centrifuge-json\r\n')), /Sec-WebSocket-Protocol: centrifuge-json\r\n/);
  assert.match(await head(request('Origin: http://evil.example\r\n')), /^HTTP\/1\.1 403 /);
  assert.match(await head(request('Origin: http://localhost\r\n')), /^HTTP\/1\.1 101 /);
  assert.match(await head('GET /connection/websocket HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 426 /);
});

test('a conversation', async () => {
  const socket = await Socket.open('/connection/websocket');
  const channel = fresh('room:');
  socket.send(CONNECT, { id: 2, subscribe: { channel } }, { id: 3, publish: { channel, data: { a: 1 } } });
  const { connect } = await socket.until((m) => m.id === 1);
  assert.equal(connect.session, undefined);
  assert.equal(connect.node, undefined);
  await socket.until((m) => m.id === 3);
  const { push } = await socket.until((m) => m.push?.pub);
  assert.equal(push.channel, channel);
  assert.deepEqual(push.pub.data, { a: 1 });
  assert.equal(push.pub.info.client, connect.client);
  socket.ws.close();
  await socket.closed;
});

test('a disconnect is the close frame', async () => {
  const bad = await Socket.open('/connection/websocket');
  bad.ws.send('not JSON');
  assert.deepEqual(await bad.closed, [3501, 'bad request']);
  assert.deepEqual(bad.messages, []);
  const long = await Socket.open('/connection/websocket');
  long.ws.send('x'.repeat(70000));
  assert.equal((await long.closed)[0], 1009);
  const binary = await Socket.open('/connection/websocket');
  binary.ws.send(Buffer.from('{}'), { binary: true });
  assert.equal((await binary.closed)[0], 1003);
  const none = await Socket.open('/connection/websocket', [], server);
  none.send(CONNECT);
  assert.deepEqual(await none.closed, [3501, 'bad request']);
});

// ---- streams

for (const [path, type] of [['/connection/http_stream', 'application/json'], ['/connection/sse', 'text/event-stream']]) {
  test(`${path}: connect, commands that follow, the end`, async () => {
    const stream = await Stream.post(path, CONNECT);
    assert.equal(stream.response.status, 200);
    assert.ok(stream.response.headers.get('content-type').startsWith(type));
    assert.equal(stream.response.headers.get('x-accel-buffering'), 'no');
    assert.match(stream.response.headers.get('cache-control'), /no-store/);
    const { connect } = await stream.until((m) => m.id === 1);
    assert.ok(connect.session && connect.node);
    const channel = fresh('room:');
    const up = (...commands) =>
      fetch(url('/emulation'), {
        method: 'POST',
        body: JSON.stringify({ session: connect.session, node: connect.node, data: commands.map((c) => JSON.stringify(c)).join('\n') }),
      });
    const answer = await up({ id: 2, subscribe: { channel } }, { id: 3, publish: { channel, data: 'x\n' } });
    assert.equal(answer.status, 204);
    await stream.until((m) => m.id === 3);
    assert.equal((await stream.until((m) => m.push?.pub)).push.pub.data, 'x\n');
    assert.equal((await up({ id: 4, connect: {} })).status, 204);
    const last = await stream.until((m) => m.push?.disconnect);
    assert.deepEqual(last.push.disconnect, { code: 3501, reason: 'bad request' });
    assert.ok((await stream.ended).trimEnd().endsWith(JSON.stringify(last)));
    assert.equal((await up({ id: 5, rpc: { method: 'echo', data: 1 } })).status, 404);
  });

  test(`${path}: a client that goes away leaves`, async () => {
    const stream = await Stream.post(path, `${JSON.stringify(CONNECT)}\n${JSON.stringify({ id: 2, subscribe: { channel: `room:left${path}` } })}`);
    await stream.until((m) => m.id === 2);
    stream.close();
    const deadline = Date.now() + 3000;
    while ((await insecure.api('presence_stats', { channel: `room:left${path}` })).num_clients > 0)
      assert.ok(Date.now() < deadline, 'it is still there');
  });

  test(`${path}: a large body and a large answer`, async () => {
    const channel = fresh('room:');
    const data = 'ж'.repeat(20000);
    const stream = await Stream.post(path, `${JSON.stringify(CONNECT)}\n${JSON.stringify({ id: 2, subscribe: { channel } })}`);
    await stream.until((m) => m.id === 2);
    await Promise.all(Array.from({ length: 15 }, () => insecure.api('publish', { channel, data })));
    const deadline = Date.now() + 5000;
    while (stream.messages.filter((m) => m.push?.pub?.data === data).length < 15) {
      assert.ok(Date.now() < deadline, 'they did not all come');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stream.close();
  });
}

test('SSE by GET, with the commands in the address', async () => {
  const commands = encodeURIComponent(`${JSON.stringify(CONNECT)}\n${JSON.stringify({ id: 2, subscribe: { channel: 'room:ü' } })}`);
  const stream = await Stream.open(`/connection/sse?cf_connect=${commands}`);
  await stream.until((m) => m.id === 2);
  assert.match(stream.text, /^\r\ndata: \{.*\}\n\n/);
  stream.close();
  assert.equal((await fetch(url('/connection/sse'))).status, 400);
  assert.equal((await fetch(url('/connection/sse?cf_connect=%'))).status, 400);
  assert.equal((await fetch(url('/connection/http_stream'))).status, 405);
});

test('HTTP/1.0 gets its stream without chunks', async () => {
  const body = JSON.stringify(CONNECT);
  const answer = await head(`POST /connection/http_stream HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(answer, /Transfer-Encoding|Content-Length/i);
});

test('what goes up must name a session', async () => {
  const up = async (body) => (await fetch(url('/emulation'), { method: 'POST', body })).status;
  assert.equal(await up(JSON.stringify({ session: 'x', node: 'y', data: '{}' })), 404);
  assert.equal(await up(JSON.stringify({ session: '', node: '', data: '{}' })), 404);
  assert.equal(await up(JSON.stringify({ data: '{}' })), 404);
  assert.equal(await up(JSON.stringify({ session: 'x', data: {} })), 400);
  assert.equal(await up('{"session":'), 400);
  assert.equal(await up('[]'), 400);
  assert.equal(await up(''), 400);
  assert.equal(await up(' '.repeat(65537)), 413);
  assert.equal((await fetch(url('/emulation'))).status, 405);
  const chunked = 'POST /emulation HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n';
  assert.match(await head(chunked), /^HTTP\/1\.1 411 /);
});

test('the end of the server', async () => {
  const other = await Server.start('insecure');
  const socket = await Socket.open('/connection/websocket', [], other);
  socket.send(CONNECT);
  await socket.until((m) => m.id === 1);
  const streams = [];
  for (const path of ['/connection/http_stream', '/connection/sse']) {
    const stream = await Stream.post(path, CONNECT, other);
    await stream.until((m) => m.id === 1);
    streams.push(stream);
  }
  assert.equal(await other.stop(), 0);
  assert.deepEqual(await socket.closed, [3001, 'shutdown']);
  for (const stream of streams) {
    await stream.ended;
    assert.equal((await stream.until((m) => m.push?.disconnect)).push.disconnect.code, 3001);
  }
});

test('a stream that nobody reads is cut off, and nobody else minds', { timeout: 30000 }, async () => {
  const channel = fresh('room:');
  const connect = { id: 1, connect: { token: jwt({ sub: 'x' }) } };
  const body = `${JSON.stringify(connect)}\n${JSON.stringify({ id: 2, subscribe: { channel } })}`;
  const lazy = net.connect({ port: server.port, host: '127.0.0.1' });
  lazy.pause();
  lazy.on('error', () => {});
  lazy.write(`POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const eager = await Stream.post('/connection/http_stream', body, server);
  await eager.until((m) => m.id === 2);
  const data = 'x'.repeat(60000);
  const deadline = Date.now() + 20000;
  let sent = 0;
  do {
    await server.api('publish', { channel, data });
    sent++;
    assert.ok(Date.now() < deadline, 'it is still there');
  } while (sent < 20 || (await server.api('presence_stats', { channel })).num_clients > 1);
  const all = () => eager.messages.filter((m) => m.push?.pub).length;
  while (all() < sent) {
    assert.ok(Date.now() < deadline, 'the other one did not get everything');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  lazy.destroy();
  eager.close();
});

// ---- other origins

test('pages of other origins', async () => {
  const ask = (path, method, headers) => fetch(url(path), { method, headers });
  for (const path of ['/emulation', '/connection/http_stream', '/connection/sse']) {
    const own = await head(
      `OPTIONS ${path} HTTP/1.1\r\nHost: app.example:80\r\nOrigin: http://app.example\r\nAccess-Control-Request-Headers: content-type\r\n\r\n`,
    );
    assert.match(own, /^HTTP\/1\.1 204 /);
    assert.match(own, /Access-Control-Allow-Origin: http:\/\/app\.example\r\n/);
    assert.match(own, /Access-Control-Allow-Headers: content-type\r\n/);
    assert.match(own, /Access-Control-Allow-Credentials: true\r\n/);
    const other = await ask(path, 'OPTIONS', { Origin: 'http://evil.example' });
    assert.equal(other.status, 403);
    assert.equal(other.headers.get('access-control-allow-origin'), null);
    assert.equal((await ask(path, 'POST', { Origin: 'http://evil.example' })).status, 403);
  }
});

// ---- one way

test('unidirectional WebSocket: connect by the first message', async () => {
  const socket = await Socket.open('/connection/uni_websocket', [], server);
  const user = fresh('user');
  const channel = fresh('room:');
  socket.send({ token: jwt({ sub: user, subs: { [channel]: {} } }) });
  const { connect } = await socket.until((m) => m.connect);
  assert.ok(connect.client);
  assert.deepEqual(Object.keys(connect.subs), [channel]);
  await server.api('publish', { channel, data: { n: 1 } });
  const { pub } = await socket.until((m) => m.pub);
  assert.deepEqual(pub.data, { n: 1 });
  await server.api('disconnect', { user, disconnect: { code: 4321, reason: 'so' } });
  assert.deepEqual(await socket.closed, [4321, 'so']);
});

test('unidirectional WebSocket: connect by the address', async () => {
  const connect = encodeURIComponent(JSON.stringify({ token: jwt({ sub: 'x' }) }));
  const socket = await Socket.open(`/connection/uni_websocket?cf_connect=${connect}`, [], server);
  await socket.until((m) => m.connect);
  socket.ws.close();
  await socket.closed;
});

test('unidirectional WebSocket: refused', async () => {
  const refused = await Socket.open('/connection/uni_websocket', [], server);
  refused.send({ token: 'x' });
  assert.equal((await refused.closed)[0], 3500);
  const malformed = await Socket.open('/connection/uni_websocket', [], server);
  malformed.ws.send('{');
  assert.equal((await malformed.closed)[0], 3501);
  const late = await Socket.open('/connection/uni_websocket', [], server);
  late.send({ token: jwt({ sub: 'x', exp: 1 }) });
  assert.equal((await late.closed)[0], 3005);
});

for (const path of ['/connection/uni_http_stream', '/connection/uni_sse']) {
  test(`${path}: connect, publications, messages, the end`, async () => {
    const user = fresh('user');
    const channel = fresh('room:');
    const params = JSON.stringify({ token: jwt({ sub: user, channels: [channel] }) });
    const byBody = await Stream.post(path, params, server);
    const byAddress = await Stream.open(`${path}?cf_connect=${encodeURIComponent(params)}`, {}, server);
    for (const stream of [byBody, byAddress]) {
      assert.equal(stream.response.status, 200);
      const { connect } = await stream.until((m) => m.connect);
      assert.deepEqual(Object.keys(connect.subs), [channel]);
    }
    await server.api('publish', { channel, data: { n: 1 } });
    for (const stream of [byBody, byAddress]) assert.deepEqual((await stream.until((m) => m.pub)).pub.data, { n: 1 });
    await server.api('disconnect', { user });
    for (const stream of [byBody, byAddress]) {
      assert.equal((await stream.until((m) => m.disconnect)).disconnect.code, 3503);
      await stream.ended;
    }
  });

  test(`${path}: refused`, async () => {
    const stream = await Stream.post(path, { token: 'x' }, server);
    assert.equal((await stream.until((m) => m.disconnect)).disconnect.code, 3500);
    await stream.ended;
  });
}
